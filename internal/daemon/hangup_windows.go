package daemon

// onHangup does nothing: Windows has no such signal.
func onHangup(func()) (stop func()) { return func() {} }
