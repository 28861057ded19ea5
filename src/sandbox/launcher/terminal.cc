// The terminal of an interactive run. Its master goes to sandboxd and nowhere else: neither pid 1
// nor the program keeps it, and the program cannot make another one.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <termios.h>

#include <cstdio>

#include "linux/message.h"
#include "sandbox/launcher/context.h"

namespace sandbox::launcher {
namespace {

constexpr char kFolder[] = "/dev/pts";
constexpr unsigned long kFlags = MS_NOSUID | MS_NOEXEC;

// Every mount of devpts is an instance of its own: its terminals are in no other. The one that it
// may have is taken here, and nobody without capabilities opens its ptmx.
bool MountInstance() {
  char options[64];
  std::snprintf(options, sizeof(options), "uid=%u,gid=%u,mode=600,ptmxmode=000,max=1", kJobUid,
                kJobUid);
  return ::mount("devpts", kFolder, "devpts", kFlags, options) == 0;
}

// Where pid 1 has the program's user, ptmx is that user's, too: its mode must stay.
bool FreezeModes() {
  return ::mount(nullptr, kFolder, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | kFlags, nullptr) ==
         0;
}

}  // namespace

base::UniqueFd MakeTerminal(const ControlRun& run, int socket) {
  if (!MountInstance()) {
    return {};
  }
  const base::UniqueFd master(::open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  const int unlocked = 0;
  if (!master.valid() || ::ioctl(master.get(), TIOCSPTLCK, &unlocked) != 0 || !FreezeModes()) {
    return {};
  }
  base::UniqueFd slave(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  const winsize size{run.rows, run.cols, 0, 0};
  termios modes{};
  if (!slave.valid() || ::tcgetattr(slave.get(), &modes) != 0) {
    return {};
  }
  modes.c_iflag |= IUTF8;  // one key erases one character, not one byte
  const int sent = master.get();
  const char made = 1;
  if (::tcsetattr(slave.get(), TCSANOW, &modes) != 0 ||
      ::ioctl(slave.get(), TIOCSWINSZ, &size) != 0 ||
      !linux::SendMessage(socket, &made, sizeof(made), &sent, 1, MSG_DONTWAIT)) {
    return {};
  }
  return slave;
}

}  // namespace sandbox::launcher
