#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/unique_fd.h"

// The terminal of an interactive job: one of the container's own, whose master only we have.
namespace docker::supervisor {

struct Terminal {
  base::UniqueFd master;  // not blocking
  base::UniqueFd slave;
  std::string path;  // of the slave
};

// `uid` will own it, and nobody else may open it; -1: it stays our user's. False with errno.
bool MakeTerminal(uint16_t rows, uint16_t cols, int64_t uid, Terminal* terminal);

// What is in the foreground hears of it.
void ResizeTerminal(int master, uint16_t rows, uint16_t cols);

}  // namespace docker::supervisor
