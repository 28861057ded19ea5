#include "app/stores.h"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "store/redis_store.h"
#include "store/sqlite_keys.h"
#include "store/stores.h"

namespace app {
namespace {

base::Error OutOfReach(const Config& config) {
  return base::InvalidArgument("STATE_DIR: the service user (SANDBOX_SERVICE_USER, uid " +
                               std::to_string(::geteuid()) + ") cannot reach " + config.state_dir +
                               "; every folder above it must be searchable by that user");
}

OpenedStore OpenRedis(const Config& config, const job::StoreOptions& jobs,
                      boost::asio::io_context& loop) {
  store::RedisStoreOptions options;
  options.jobs = jobs;
  options.redis.addresses =
      store::ParseRedisAddresses(config.redis_addr).value();  // checked when it was read
  options.redis.username = config.redis_username;
  options.redis.password = config.redis_password;
  options.redis.db = config.redis_db;
  options.redis.prefix = config.redis_key_prefix;
  options.redis.tls.enabled = config.redis_tls == "on";
  options.redis.tls.ca_file = config.redis_tls_ca;
  options.watches = config.role != "worker";
  options.works = config.role != "api";
  auto redis = std::make_unique<store::RedisStore>(loop, std::move(options));
  job::Fleet* const fleet = redis.get();
  return {std::move(redis), fleet};
}

}  // namespace

base::Result<void> CheckStateDir(const Config& config) {
  if (config.job_store == "sqlite" && ::access(config.state_dir.c_str(), R_OK | W_OK | X_OK) != 0) {
    return OutOfReach(config);
  }
  return {};
}

base::Result<OpenedStore> OpenStore(const Config& config, boost::asio::io_context& loop) {
  job::StoreOptions options;
  options.max_queued = config.queue_size;
  options.job_ttl = config.job_ttl;
  options.max_attempts = static_cast<int>(config.max_attempts);
  options.lease_time = config.lease_time;
  const store::Post post = [&loop](std::function<void()> work) {
    boost::asio::post(loop, std::move(work));
  };
  if (config.job_store == "redis") {
    return OpenRedis(config, options, loop);
  }
  if (config.job_store == "memory") {
    return OpenedStore{store::MakeMemoryStore(options, post), nullptr};
  }
  auto opened = store::OpenSqliteStore(config.state_dir + "/jobs.db", options, post);
  if (!opened && opened.error().sys_errno == EACCES) {
    return OutOfReach(config);
  }
  if (!opened) {
    return opened.error();
  }
  return OpenedStore{std::move(*opened), nullptr};
}

base::Result<OpenedKeys> OpenKeys(const Config& config, boost::asio::io_context& loop) {
  OpenedKeys out;
  if (config.job_store == "redis") {
    out.store = OpenRedis(config, {}, loop).store;
    out.keys = out.store->keys();
    return out;
  }
  auto opened = store::OpenSqliteKeys(
      config.state_dir + "/jobs.db",
      [&loop](std::function<void()> work) { boost::asio::post(loop, std::move(work)); });
  if (!opened) {
    return opened.error().sys_errno == EACCES ? OutOfReach(config) : opened.error();
  }
  out.owned = std::move(*opened);
  out.keys = out.owned.get();
  return out;
}

}  // namespace app
