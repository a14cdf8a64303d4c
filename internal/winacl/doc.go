// Package winacl builds and judges the access lists of Windows for pipes, folders
// and files (docs/SPEC.md, "Local sockets" and "Files"). What needs no Windows is
// tested everywhere.
package winacl
