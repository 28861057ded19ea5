#pragma once

#include <cstddef>

// Where this process is in the trees of control groups, from /proc/self/mountinfo and
// /proc/self/cgroup. Used by the launcher only; no exceptions.
namespace linux {

struct CgroupPlace {
  char mount[1024];   // the top of the tree, as far as this process sees it
  char folder[2048];  // the process's own group
  bool at_top;        // both are the same
};

// Finds the tree of version 1 that has `controller`, or that of version 2 when it is null. False
// when it is not mounted, or shows no group of this process. Respects that a mount may begin below
// the tree's root, as in containers.
bool FindCgroup(const char* controller, CgroupPlace* place);

// The same for given texts in the form of the two files.
bool FindCgroupIn(const char* mountinfo, const char* own_groups, const char* controller,
                  CgroupPlace* place);

}  // namespace linux
