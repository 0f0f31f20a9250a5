package cli

import (
	"io"
	"os"
	"os/exec"
)

// terminal reports whether the output is read by a person: on a terminal, or behind
// a pager there.
func (a *app) terminal() bool { return a.paging || isTerminal(a.Out) }

// colored reports whether the output is coloured: as --color says, else on a
// terminal unless NO_COLOR is set.
func (a *app) colored() bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	return os.Getenv("NO_COLOR") == "" && a.terminal()
}

// paged runs f with its output in a pager, as git does: on a terminal, with
// ARGON_PAGER or PAGER or less, which ends at once when all fits on the screen.
func (a *app) paged(f func() error) error {
	name := "less"
	for _, v := range []string{"PAGER", "ARGON_PAGER"} {
		if s, ok := os.LookupEnv(v); ok {
			name = s
		}
	}
	if a.noPager || a.output != "table" || !isTerminal(a.Out) || name == "" || name == "cat" {
		return f()
	}
	r, w := io.Pipe()
	cmd := exec.Command("sh", "-c", name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r, a.Out, a.Err
	if os.Getenv("LESS") == "" {
		cmd.Env = append(os.Environ(), "LESS=FRX")
	}
	if err := cmd.Start(); err != nil {
		return f() // there is no pager
	}
	out := a.Out
	a.Out, a.paging = w, true
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		_ = r.Close() // the pager was left before the end: what comes is dropped
		close(done)
	}()
	err := f()
	_ = w.Close()
	<-done
	a.Out, a.paging = out, false
	if err == io.ErrClosedPipe {
		return nil
	}
	return err
}
