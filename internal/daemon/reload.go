package daemon

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"openped/internal/logs"
	"openped/internal/setting"
)

// state is what the running daemon runs with.
type state struct {
	mu     sync.Mutex // one reload at a time
	values *setting.Values
}

// Reloaded is the answer to POST /v1/reload. The lists have keys of the file.
type Reloaded struct {
	File       string   `json:"file"`
	Applied    []string `json:"applied"`              // taken now
	Restart    []string `json:"restart"`              // changed in the file, taken at the next start
	Overridden []string `json:"overridden,omitempty"` // the command line of the start says otherwise
	Warnings   []string `json:"warnings,omitempty"`
}

// reload reads the configuration file again and takes what it may. A file with a
// mistake changes nothing. by says for the log who asked.
func (d *running) reload(by string) (*Reloaded, error) {
	d.now.mu.Lock()
	defer d.now.mu.Unlock()
	c, p := d.call, d.call.Program
	r, err := d.take(c, p)
	if err != nil {
		d.log.Error("configuration not taken, the old one stays", "by", by, "err", err)
		return nil, err
	}
	d.log.Info("configuration read", "by", by, "file", r.File, "applied", r.Applied, "restart", r.Restart)
	for _, w := range r.Warnings {
		d.log.Warn(w)
	}
	return r, nil
}

func (d *running) take(c *Call, p *Program) (*Reloaded, error) {
	old := d.now.values
	next := old.CommandLine()
	f, err := p.read(c.ConfigPath, c.explicit())
	if err != nil {
		return nil, err
	}
	r := &Reloaded{File: c.ConfigPath, Applied: []string{}, Restart: []string{}}
	if r.Warnings, err = p.take(next, f, c.ConfigPath); err != nil {
		return nil, err
	}
	if err := p.Check(true, next); err != nil {
		return nil, badConfig(fmt.Errorf("%s: %w", c.ConfigPath, err), "")
	}
	live, restart := setting.Changed(old, next)
	r.Applied, r.Restart, r.Overridden = append(r.Applied, live...), append(r.Restart, restart...), next.Overridden()
	merged := old.Take(next)
	if d.service.Reload != nil {
		err := d.service.Reload(merged)
		if partly, ok := errors.AsType[*Partly](err); ok {
			r.Warnings = append(r.Warnings, partly.Error())
		} else if err != nil {
			return nil, err
		}
	}
	d.relog(old, merged)
	if w := d.log.Warning(); w != "" {
		r.Warnings = append(r.Warnings, w)
	}
	d.now.values = merged
	return r, nil
}

// config is what the daemon runs with now.
func (d *running) config() *Running {
	d.now.mu.Lock()
	defer d.now.mu.Unlock()
	return &Running{PID: os.Getpid(), File: d.call.ConfigPath, Settings: d.now.values.All()}
}

// relog gives the log its new settings.
func (d *running) relog(old, next *setting.Values) {
	d.log.SetLevels(levels(next))
	d.log.SetMaxKB(next.Int("maxlogfilesize"))
	if path := next.Text("logfile"); path != old.Text("logfile") {
		d.log.SetPath(path)
		return
	}
	d.log.Reopen()
}

func levels(v *setting.Values) logs.Levels {
	return logs.Levels{Info: v.Bool("loginfo"), Warning: v.Bool("logwarning"), Error: v.Bool("logerror"), Trace: v.Bool("logtrace")}
}
