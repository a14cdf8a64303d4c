// Package prefix makes a Windows of Wine's out of nothing and takes it away again.
// Nobody else's processes are touched.
package prefix
