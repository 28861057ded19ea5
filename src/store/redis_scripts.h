#pragma once

#include "store/redis_client.h"

// The scripts of lua/, built into the program: each is common.lua and the file of its name. What
// they take and answer is said at their heads.
namespace store {

struct RedisScripts {
  RedisScript announce;
  RedisScript begin;
  RedisScript cancel;
  RedisScript deliver;
  RedisScript finish;
  RedisScript get;
  RedisScript keys;
  RedisScript lease;
  RedisScript list;
  RedisScript output;
  RedisScript publish;
  RedisScript rate;
  RedisScript release;
  RedisScript renew;
  RedisScript submit;
  RedisScript sweep;
  RedisScript usage;
};

const RedisScripts& Scripts();

}  // namespace store
