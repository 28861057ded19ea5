#pragma once

#include <string_view>

#include "job/store.h"

// What Prometheus is told of the worker role.
namespace executor {

// A job whose outcome is stored.
void CountFinished(std::string_view language, const job::Outcome& outcome);

// A compile step that found its program in the cache, or did not.
void CountCacheLookup(bool hit);

}  // namespace executor
