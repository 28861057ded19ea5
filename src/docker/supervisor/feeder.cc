#include "docker/supervisor/feeder.h"

#include <unistd.h>

#include <cerrno>

#include "docker/wire.h"

namespace docker::supervisor {

bool Feeder::Put(std::string_view data) {
  if (data.size() > wire::kInputWindow - pending_.size()) {
    return false;
  }
  pending_.append(data);
  return true;
}

void Feeder::End() {
  ends_ = true;
  if (pending_.empty()) {
    fd_.reset();
  }
}

void Feeder::Flush(Output* output) {
  size_t taken = 0;
  while (taken < pending_.size() && fd_.valid()) {
    const ssize_t n = ::write(fd_.get(), pending_.data() + taken, pending_.size() - taken);
    if (n > 0) {
      taken += static_cast<size_t>(n);
    } else if (n < 0 && errno == EAGAIN) {
      break;
    } else if (n == 0 || errno != EINTR) {
      fd_.reset();
    }
  }
  if (!fd_.valid()) {
    taken = pending_.size();
  }
  if (taken == 0) {
    return;
  }
  pending_.erase(0, taken);
  output->Put(wire::FrameType::kTaken, wire::Taken{static_cast<uint32_t>(taken)});
  if (ends_ && pending_.empty()) {
    fd_.reset();
  }
}

}  // namespace docker::supervisor
