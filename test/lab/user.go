package lab

import (
	"os/exec"
	"testing"
)

// User is an ordinary user of the system, who owns nothing: another one than
// root, when the tests run as root, else whoever runs them. He is a Place.
type User struct{}

// NewUser is for tests that need one.
func NewUser(t testing.TB) User {
	t.Helper()
	if !users {
		Lacks(t, "this needs users and modes of unix")
	}
	return User{}
}

// Put makes a program start as the user.
func (User) Put(c *exec.Cmd) { become(c) }

// Give makes files and folders the user's.
func (User) Give(t testing.TB, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if err := chown(p); err != nil {
			t.Fatal(err)
		}
	}
}
