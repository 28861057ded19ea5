#pragma once

#include <cstddef>

// ../warm/preload.cc as a linked library, part of this program: so there is no file of it that
// could be missing or another.
extern "C" const char kPreloadImage[];
extern "C" const size_t kPreloadSize;
