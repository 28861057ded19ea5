// tries = "include files of the host, of the service, and of other processes"
// verdict = "compile_error"
// compile_stderr = "fatal error: /etc/shadow: No such file"
#if __has_include("@STATE_DIR@/log") || __has_include("@CANARY@") || __has_include("/proc/1/environ") || \
    __has_include("/proc/@SERVICE_PID@/environ") || __has_include("/root/.bashrc") || __has_include("/run/utmp")
#error "the host is there"
#endif
#include "/etc/shadow"

int main(void) { return 0; }
