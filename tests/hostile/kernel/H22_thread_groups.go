// tries = "threads with namespaces, credentials and filters of their own"
// verdict = "ok"
// stdout = "all refused"
package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

func main() {
	runtime.LockOSThread()
	flags := []uintptr{syscall.CLONE_NEWNS, syscall.CLONE_NEWUTS, syscall.CLONE_NEWIPC, syscall.CLONE_NEWUSER,
		syscall.CLONE_NEWPID, syscall.CLONE_NEWNET, 0x02000000}
	for _, flag := range flags {
		for _, attributes := range []*syscall.SysProcAttr{
			{Cloneflags: flag}, {Unshareflags: flag}, {Cloneflags: flag, Pdeathsig: syscall.SIGKILL},
			{Chroot: "/tmp"}, {Credential: &syscall.Credential{Uid: 0, Gid: 0}},
			{Setctty: true, Setsid: true}, {Ptrace: true},
			{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: []syscall.SysProcIDMap{{HostID: 1000, Size: 1}}},
		} {
			command := exec.Command("/bin/true")
			command.SysProcAttr = attributes
			if err := command.Run(); err == nil {
				panic(fmt.Sprintf("%#x %+v was allowed", flag, attributes))
			}
		}
	}
	fmt.Println("all refused")
}
