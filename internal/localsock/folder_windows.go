package localsock

// AdmitTo has nothing to do: pipes are in no folder.
func AdmitTo(string, string, bool) error { return nil }
