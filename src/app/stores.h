#pragma once

#include <memory>

#include "app/config.h"
#include "base/result.h"
#include "job/fleet.h"
#include "job/key_store.h"
#include "job/store.h"

namespace boost::asio {
class io_context;
}

namespace app {

struct OpenedStore {
  std::unique_ptr<job::Store> store;
  job::Fleet* fleet = nullptr;  // part of the store; null when this process is alone on it
};

// The store that JOB_STORE names. It lives on `loop`, which must outlive it. Blocks while it opens;
// redis does not: it connects in the background.
base::Result<OpenedStore> OpenStore(const Config& config, boost::asio::io_context& loop);

// The keys of that store alone, beside a service that uses it. REQUIRES: JOB_STORE is not memory.
struct OpenedKeys {
  std::unique_ptr<job::Store> store;  // null: `owned` is all
  std::unique_ptr<job::KeyStore> owned;
  job::KeyStore* keys = nullptr;
};

base::Result<OpenedKeys> OpenKeys(const Config& config, boost::asio::io_context& loop);

// kInvalidArgument unless this process's user can use the folder of the embedded store, if there is
// one.
base::Result<void> CheckStateDir(const Config& config);

}  // namespace app
