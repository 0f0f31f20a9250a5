package harness

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/argon-db/argon/internal/cli"
	"github.com/argon-db/argon/internal/script"
)

// asCommand in the environment makes a test's own binary the argon command.
const asCommand = "ARGON_TEST_AS_COMMAND"

// Main runs a package's tests; or the argon command, when the binary was started
// by StartProcess, or by a server in a test that runs JavaScript. Call it in TestMain.
func Main(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == script.Verb {
		script.Main()
		os.Exit(0)
	}
	if os.Getenv(asCommand) != "" {
		os.Exit(cli.Main(context.Background(), os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

// Process is `argon serve` in a process of its own.
type Process struct {
	cmd *exec.Cmd
	// Addr is where it listens.
	Addr string
}

// StartProcess runs `argon serve` over a directory; more are further arguments.
// It is killed with the test.
func StartProcess(t testing.TB, data, listen string, more ...string) *Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(t.TempDir(), "log"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(self, append([]string{"serve", "--dir", data, "--listen", listen, "--http", ""}, more...)...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Process{cmd: cmd}
	t.Cleanup(p.Kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("the server did not start: %v: %s", err, text)
	}
	_, uri, _ := strings.Cut(strings.TrimSpace(line), "mongodb://")
	if p.Addr = strings.TrimSuffix(uri, "/"); p.Addr == "" {
		t.Fatalf("the server said %q", line)
	}
	return p
}

// Pause stops the process for a while, as a machine that is busy elsewhere.
func (p *Process) Pause(d time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(d)
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
}

// Kill ends the process with SIGKILL, as a power cut would end it but for the
// disk's cache. It may be called again.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
