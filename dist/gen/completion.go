package main

func completionCommand(args []string) (string, error) { return "", errUsage }

func (s *stage) completions(p *pack, made map[string][]byte) error { return nil }
