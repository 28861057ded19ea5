#include "store/redis_usage.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "job/json.h"
#include "store/redis_jobs.h"
#include "store/redis_scripts.h"

namespace store {

void RedisUsage::Publish(std::string id, uint64_t run, const sandbox::LiveUsage& usage) {
  // Best effort: the next one tells more.
  client_.Run(Scripts().usage, {std::move(id), std::to_string(run), job::EncodeLiveUsage(usage)},
              [](const auto&) {});
}

job::Store::WatchHandle RedisUsage::Watch(std::string id, job::Store::UsageListener listener) {
  return watchers_.Add(std::move(id), std::move(listener));
}

void RedisUsage::OnMessage(const std::string& text) {
  const size_t space = text.find(' ');
  const auto of_id = watchers_.Of(text.substr(0, space));
  if (of_id.empty() || space == std::string::npos) {
    return;
  }
  const auto usage = ReadUsageOfRun(std::string_view(text).substr(space + 1));
  const std::weak_ptr<bool> alive = alive_;
  for (const std::weak_ptr<job::Store::UsageListener>& weak : of_id) {
    const auto listener = weak.lock();
    if (usage && listener && !alive.expired()) {
      (*listener)(usage->run, usage->usage);
    }
  }
}

}  // namespace store
