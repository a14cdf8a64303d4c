package admin

// admit has nothing to do: pipes are in no folder.
func (i *Instance) admit(string) error { return nil }
