#include "app/stores.h"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "store/stores.h"

namespace app {

base::Result<std::unique_ptr<job::Store>> OpenStore(const Config& config,
                                                    boost::asio::io_context& loop) {
  job::StoreOptions options;
  options.max_queued = config.queue_size;
  options.job_ttl = config.job_ttl;
  options.max_attempts = static_cast<int>(config.max_attempts);
  options.lease_time = config.lease_time;
  const store::Post post = [&loop](std::function<void()> work) {
    boost::asio::post(loop, std::move(work));
  };
  if (config.job_store == "memory") {
    return store::MakeMemoryStore(options, post);
  }
  auto opened = store::OpenSqliteStore(config.state_dir + "/jobs.db", options, post);
  if (!opened && opened.error().sys_errno == EACCES) {
    return base::InvalidArgument("STATE_DIR: the service user (SANDBOX_SERVICE_USER, uid " +
                                 std::to_string(::geteuid()) + ") cannot reach " +
                                 config.state_dir +
                                 "; every folder above it must be searchable by that user");
  }
  return opened;
}

}  // namespace app
