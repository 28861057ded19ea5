#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "job/fleet.h"
#include "job/store.h"
#include "store/redis_reply.h"

// Between what the scripts take and answer, and jobs. Pure functions.
namespace store {

// `fields`: what fields_of in lua/common.lua answers. kNotFound: the job is not there. kInternal:
// its record holds what this version cannot read.
base::Result<job::Job> ReadRedisJob(const std::string& id, const RedisReply& fields);

// The answer of the script list.
base::Result<job::ListPage> ReadRedisPage(const RedisReply& page);

// One lease: id, token, fields.
base::Result<job::Lease> ReadRedisLease(const RedisReply& lease);

// What lua/usage.lua keeps and tells: what the program of that run uses.
struct UsageOfRun {
  uint64_t run = 0;
  sandbox::LiveUsage usage;
};

// Nothing when this version cannot read it.
std::optional<UsageOfRun> ReadUsageOfRun(std::string_view text);

// A job's place in the list of all jobs, as place in lua/common.lua.
std::string RedisPlace(base::Nanos created, const std::string& id);

std::string WriteWorker(const job::Worker& worker);
job::Worker ReadWorker(const std::string& name, const std::string& text);

}  // namespace store
