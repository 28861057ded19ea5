#pragma once

#include <array>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "sandbox/wire.h"

// Seccomp policies as data: config/seccomp/{run,compile,init}.toml, compiled once at start.
namespace sandbox {

// A memfd per wire::Policy with the compiled filter program (struct sock_filter[]).
using Filters = std::array<base::UniqueFd, wire::kPolicies>;

// Reads and compiles the policies of `folder`, strictly: an unknown key or call name is an error
// with file and line. Blocking; at start only.
base::Result<Filters> CompileFilters(const std::string& folder);

// One file; for tests and for CompileFilters.
base::Result<base::UniqueFd> CompileFilter(const std::string& file);

}  // namespace sandbox
