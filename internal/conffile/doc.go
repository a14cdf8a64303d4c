// Package conffile reads and changes configuration files (docs/SPEC.md,
// "Configuration files") in the vendor's two syntaxes: sections in braces as in
// Chrystoki.conf, and INI as in crystoki.ini.
//
// A file is kept as the bytes that were read. A change replaces the value that
// is meant and leaves everything else as it stands: comments, blanks, line ends,
// sections of other programs.
package conffile
