#pragma once

#include "docker/supervisor/input.h"
#include "docker/supervisor/output.h"

namespace docker::supervisor {

// Sends the files that the job was asked for, once all its processes are dead: regular files with
// one name, opened below the work folder without following links, within the bound on their total
// size. False when not all that patterns match are among them.
bool Collect(const Job& job, int box, Output* output);

}  // namespace docker::supervisor
