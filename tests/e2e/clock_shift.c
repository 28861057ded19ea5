// Preloaded into sandboxd by test_clock.py: adds the number of nanoseconds in CLOCK_SHIFT_FILE, which the test
// changes, to the wall clock. What runs on other clocks goes on as ever.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t* shift;

__attribute__((constructor)) static void Map(void) {
  const char* path = getenv("CLOCK_SHIFT_FILE");
  const int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  void* mapped = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) {
    _exit(127);
  }
  close(fd);
  shift = mapped;
}

int clock_gettime(clockid_t id, struct timespec* time) {
  const int result = (int)syscall(SYS_clock_gettime, id, time);
  if (result == 0 && id == CLOCK_REALTIME && shift != NULL) {
    const int64_t nanos = time->tv_sec * INT64_C(1000000000) + time->tv_nsec + *shift;
    time->tv_sec = nanos / 1000000000;
    time->tv_nsec = nanos % 1000000000;
  }
  return result;
}
