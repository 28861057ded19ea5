// Preloaded into the Redis server of the unit tests: the wall clock is a number in a file that a
// test has mapped, so that leases and records expire when the test says so. Timers go on as ever.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

const std::atomic<int64_t>* MapClock() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment
  const char* path = std::getenv("FAKE_CLOCK_FILE");
  const int fd = path == nullptr ? -1 : ::open(path, O_RDONLY | O_CLOEXEC);
  void* mapped = fd < 0
                     ? MAP_FAILED
                     : ::mmap(nullptr, sizeof(std::atomic<int64_t>), PROT_READ, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) {
    ::_exit(127);
  }
  ::close(fd);
  return static_cast<const std::atomic<int64_t>*>(mapped);
}

}  // namespace

extern "C" int gettimeofday(struct timeval* tv, void* /*tz*/) noexcept {
  static const std::atomic<int64_t>* const clock = MapClock();
  const int64_t nanos = clock->load();
  tv->tv_sec = nanos / 1'000'000'000;
  tv->tv_usec = nanos % 1'000'000'000 / 1000;
  return 0;
}
