#pragma once

#include <memory>

#include "app/config.h"
#include "base/result.h"
#include "job/store.h"

namespace boost::asio {
class io_context;
}

namespace app {

// The store that JOB_STORE names. It lives on `loop`, which must outlive it. Blocks while it opens.
base::Result<std::unique_ptr<job::Store>> OpenStore(const Config& config,
                                                    boost::asio::io_context& loop);

}  // namespace app
