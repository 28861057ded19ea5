#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "job/key.h"

// The keys that the configuration gives. Their ids are their names, so that the key itself can be
// changed and its jobs stay.
namespace app {

// HTTP_API_KEYS: "name=key,name=key". The error says what is accepted and repeats nothing.
base::Result<std::vector<job::Key>> ParseApiKeys(std::string_view text);

// Adds the keys of the file `path` (empty: none) to `keys`, the names of which it must not have.
// Blocks. The error names the file and what is wrong in it.
base::Result<void> ReadApiKeysFile(const std::string& path, std::vector<job::Key>* keys);

}  // namespace app
