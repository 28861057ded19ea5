#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"

// How a service started by root becomes one that holds nothing. To be used before any thread is
// started.
namespace app {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
};

// Reads SANDBOX_SERVICE_USER: a name, or uid:gid. Root is refused.
base::Result<User> FindUser(const std::string& text);

// Makes a folder that only this service uses. As root it is given to `owner`, by descriptor, and
// what root has in it, too.
base::Result<void> MakeFolder(const std::string& path, mode_t mode, const User* owner);

// Becomes `user`, for good: no other group, an empty bounding set, no way back.
base::Result<void> DropPrivileges(const User& user);

// Gives up every capability, what exec could bring, core dumps, and being traced.
base::Result<void> Harden();

}  // namespace app
