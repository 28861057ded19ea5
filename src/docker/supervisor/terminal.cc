#include "docker/supervisor/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

namespace docker::supervisor {

bool MakeTerminal(uint16_t rows, uint16_t cols, int64_t uid, Terminal* terminal) {
  base::UniqueFd& master = terminal->master;
  master.reset(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  const int unlocked = 0;
  unsigned number = 0;
  if (!master.valid() || ::ioctl(master.get(), TIOCSPTLCK, &unlocked) != 0 ||
      ::ioctl(master.get(), TIOCGPTN, &number) != 0) {
    return false;
  }
  terminal->path = "/dev/pts/" + std::to_string(number);
  base::UniqueFd& slave = terminal->slave;
  slave.reset(::open(terminal->path.c_str(), O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC));
  // Others of the group "tty" may write to terminals, as they are made.
  if (!slave.valid() || ::fchmod(slave.get(), 0600) != 0 ||
      (uid >= 0 && ::fchown(slave.get(), static_cast<uid_t>(uid), static_cast<gid_t>(uid)) != 0)) {
    return false;
  }
  termios modes{};
  if (::tcgetattr(slave.get(), &modes) != 0) {
    return false;
  }
  modes.c_iflag |= IUTF8;  // one key erases one character, not one byte
  const winsize size{rows, cols, 0, 0};
  return ::tcsetattr(slave.get(), TCSANOW, &modes) == 0 &&
         ::ioctl(slave.get(), TIOCSWINSZ, &size) == 0;
}

void ResizeTerminal(int master, uint16_t rows, uint16_t cols) {
  const winsize size{rows, cols, 0, 0};
  ::ioctl(master, TIOCSWINSZ, &size);
}

}  // namespace docker::supervisor
