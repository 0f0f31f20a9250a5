package command

import (
	"bufio"
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
)

var hostInfoCommand = &Spec{
	Name: "hostInfo", Args: nameOnly("hostInfo"), Privilege: onCluster(auth.HostInfo), Help: "the machine that the server runs on", Run: runHostInfo,
}

func runHostInfo(_ context.Context, rq *Request, b *bsonx.Builder) error {
	mem := machineMemory()
	at := b.OpenDoc("system")
	b.Date("currentTime", rq.Services.Clock.Now().UnixMilli())
	b.String("hostname", rq.Services.Host.Hostname)
	b.Int32("cpuAddrSize", 64)
	b.Int64("memSizeMB", mem>>20)
	b.Int64("memLimitMB", mem>>20)
	b.Int32("numCores", int32(runtime.NumCPU()))
	b.Int32("numCoresAvailableToProcess", int32(runtime.GOMAXPROCS(0)))
	b.String("cpuArch", runtime.GOARCH)
	b.Bool("numaEnabled", false)
	b.Close(at)
	at = b.OpenDoc("os")
	b.String("type", strings.ToUpper(runtime.GOOS[:1])+runtime.GOOS[1:])
	b.String("name", runtime.GOOS)
	b.String("version", "")
	b.Close(at)
	at = b.OpenDoc("extra")
	b.String("goVersion", runtime.Version())
	b.Close(at)
	return nil
}

// machineMemory returns the machine's memory in bytes, 0 when it is unknown.
func machineMemory() int64 { return procField("/proc/meminfo", "MemTotal:") }

// processMemory returns the resident and the virtual size of the process in
// bytes; where the system does not tell, what Go has from it.
func processMemory() (resident, virtual int64) {
	resident, virtual = procField("/proc/self/status", "VmRSS:"), procField("/proc/self/status", "VmSize:")
	if resident == 0 || virtual == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapSys), int64(m.Sys)
	}
	return resident, virtual
}

// procField reads a line "name N kB" of a Linux status file.
func procField(path, name string) int64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if rest, ok := strings.CutPrefix(sc.Text(), name); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}
