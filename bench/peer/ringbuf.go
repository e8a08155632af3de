// The Go side of bench/ringbuf.ts: reads a ring of the same size, filled by the same program, with cilium/ebpf. The record
// is reused from read to read, which is the library's fastest way, and fields are decoded by hand: its examples use
// encoding/binary's Read, which takes ten times longer.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
)

type event struct {
	ts, seq         uint64
	pid, cpu, flags uint32
	ret             int32
	comm, path      string
}

var sum uint64

func text(field []byte) string {
	if end := bytes.IndexByte(field, 0); end >= 0 {
		field = field[:end]
	}
	return string(field)
}

func below(a, b uint64) uint64 {
	if a < b {
		return 1
	}
	return 0
}

func integers(data []byte) {
	sum += uint64(binary.LittleEndian.Uint32(data[8:]) + binary.LittleEndian.Uint32(data[12:]))
	ts := binary.LittleEndian.Uint64(data)
	if len(data) == 16 {
		sum += below(ts, 5)
		return
	}
	sum += uint64(binary.LittleEndian.Uint32(data[24:]) + binary.LittleEndian.Uint32(data[28:]))
	sum += below(ts, binary.LittleEndian.Uint64(data[16:]))
}

func all(data []byte) {
	e := event{ts: binary.LittleEndian.Uint64(data), pid: binary.LittleEndian.Uint32(data[8:]),
		cpu: binary.LittleEndian.Uint32(data[12:]), seq: 5}
	if len(data) > 16 {
		e.seq = binary.LittleEndian.Uint64(data[16:])
		e.ret = int32(binary.LittleEndian.Uint32(data[24:]))
		e.flags = binary.LittleEndian.Uint32(data[28:])
		e.comm = text(data[32:48])
	}
	if len(data) > 48 {
		e.path = text(data[48:])
	}
	sum += uint64(e.pid+e.cpu+uint32(e.ret)+e.flags) + uint64(len(e.comm)+len(e.path)) + below(e.ts, e.seq)
}

// Nanoseconds of CPU that all threads of the process have used.
func now() float64 {
	const processCPU = 2 // CLOCK_PROCESS_CPUTIME_ID
	var t syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, processCPU, uintptr(unsafe.Pointer(&t)), 0)
	return float64(t.Nano())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Arguments: map id, program id, events per fill, size, way. For each line of standard input it fills and drains once, and
// prints ns of CPU per event: of draining, of filling.
func main() {
	numbers := make([]int, 5)
	for i := 1; i < 5; i++ {
		numbers[i], _ = strconv.Atoi(os.Args[i])
	}
	ring, err := ebpf.NewMapFromID(ebpf.MapID(numbers[1]))
	check(err)
	program, err := ebpf.NewProgramFromID(ebpf.ProgramID(numbers[2]))
	check(err)
	reader, err := ringbuf.NewReader(ring)
	check(err)
	decode := map[string]func([]byte){"none": func([]byte) {}, "integers": integers, "all": all}[os.Args[5]]
	fill := numbers[3]
	var record ringbuf.Record
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		start := now()
		_, _, err := program.Benchmark(make([]byte, 64), fill, nil)
		check(err)
		mid := now()
		for i := 0; i < fill; i++ {
			check(reader.ReadInto(&record))
			decode(record.RawSample)
		}
		end := now()
		fmt.Printf("%.2f %.2f\n", (end-mid)/float64(fill), (mid-start)/float64(fill))
	}
	if sum == 1 {
		os.Exit(1)
	}
}
