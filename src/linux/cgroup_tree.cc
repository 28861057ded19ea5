#include "linux/cgroup_tree.h"

#include <cstdio>
#include <cstring>

#include "linux/syscall.h"

namespace linux {
namespace {

// True when `name` is one of the words of `list`, which commas separate.
bool Lists(const char* list, const char* name) {
  const size_t length = std::strlen(name);
  for (const char* at = list; at != nullptr; at = std::strchr(at, ',')) {
    at += *at == ',' ? 1 : 0;
    if (std::strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0')) {
      return true;
    }
  }
  return false;
}

// Undoes the octal escapes of mountinfo: \040 is a blank (proc_pid_mountinfo(5)).
void Unescape(char* text) {
  char* out = text;
  for (const char* in = text; *in != '\0'; ++out) {
    const bool octal = in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' &&
                       in[2] <= '7' && in[3] >= '0' && in[3] <= '7';
    *out = octal ? static_cast<char>((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0')) : *in;
    in += octal ? 4 : 1;
  }
  *out = '\0';
}

// Copies the line at `text` and answers where the next one begins, null at the end.
const char* TakeLine(const char* text, char* line, size_t size) {
  const size_t length = std::strcspn(text, "\n");
  std::snprintf(line, size, "%.*s", static_cast<int>(length), text);
  return text[length] == '\0' || text[length + 1] == '\0' ? nullptr : text + length + 1;
}

// This process's path within a tree, counted from the tree's root. The lines are
// "id:controllers:path"; version 2 has "0::path".
bool OwnPath(const char* own_groups, const char* controller, char* path, size_t size) {
  char line[2048];
  for (const char* next = own_groups; next != nullptr && *next != '\0';) {
    next = TakeLine(next, line, sizeof(line));
    char* names = std::strchr(line, ':');
    char* own = names == nullptr ? nullptr : std::strchr(names + 1, ':');
    if (own == nullptr) {
      continue;
    }
    *own++ = '\0';
    ++names;
    const bool right = controller == nullptr ? std::strncmp(line, "0:", 2) == 0 && *names == '\0'
                                             : Lists(names, controller);
    // "/.." begins a path outside of this process's cgroup namespace.
    if (right && *own == '/' && std::strncmp(own, "/..", 3) != 0) {
      std::snprintf(path, size, "%s", own);
      return true;
    }
  }
  return false;
}

// What of `own` lies below `root`, both counted from the tree's root; null when it is elsewhere.
const char* Below(const char* own, const char* root) {
  const size_t length = std::strcmp(root, "/") == 0 ? 0 : std::strlen(root);
  if (std::strncmp(own, root, length) != 0 || (own[length] != '/' && own[length] != '\0')) {
    return nullptr;
  }
  return std::strcmp(own + length, "/") == 0 ? "" : own + length;
}

}  // namespace

bool FindCgroupIn(const char* mountinfo, const char* own_groups, const char* controller,
                  CgroupPlace* place) {
  char own[1024];
  if (!OwnPath(own_groups, controller, own, sizeof(own))) {
    return false;
  }
  char line[4096];
  for (const char* next = mountinfo; next != nullptr && *next != '\0';) {
    next = TakeLine(next, line, sizeof(line));
    // id parent major:minor root mountpoint options ... - type source super-options
    char root[1024];
    char mount[1024];
    char type[64];
    char super[1024];
    const char* dash = std::strstr(line, " - ");
    if (dash == nullptr || std::sscanf(line, "%*s %*s %*s %1023s %1023s", root, mount) != 2 ||
        std::sscanf(dash + 3, "%63s %*s %1023s", type, super) != 2) {
      continue;
    }
    if (controller == nullptr ? std::strcmp(type, "cgroup2") != 0
                              : std::strcmp(type, "cgroup") != 0 || !Lists(super, controller)) {
      continue;
    }
    Unescape(root);
    Unescape(mount);
    const char* below = Below(own, root);
    if (below == nullptr) {
      continue;
    }
    std::snprintf(place->mount, sizeof(place->mount), "%s", mount);
    std::snprintf(place->folder, sizeof(place->folder), "%s%s", mount, below);
    place->at_top = *below == '\0';
    return true;
  }
  return false;
}

bool FindCgroup(const char* controller, CgroupPlace* place) {
  static char mountinfo[256 * 1024];  // static: too large for the stack; one thread
  static char own_groups[16 * 1024];
  return ReadFileAt(AT_FDCWD, "/proc/self/mountinfo", mountinfo, sizeof(mountinfo)) > 0 &&
         ReadFileAt(AT_FDCWD, "/proc/self/cgroup", own_groups, sizeof(own_groups)) > 0 &&
         FindCgroupIn(mountinfo, own_groups, controller, place);
}

}  // namespace linux
