#include "store/redis_checks.h"

#include <cstdlib>

#include "base/log.h"

namespace store {
namespace {

constexpr int kNeededMajor = 6;
constexpr int kNeededMinor = 2;

// The line "redis_version:7.0.15" of INFO.
std::string FindVersion(const std::string& info) {
  const std::string key = "redis_version:";
  const size_t at = info.find(key);
  return at == std::string::npos
             ? ""
             : info.substr(at + key.size(), info.find_first_of("\r\n", at) - at - key.size());
}

bool IsTooOld(const std::string& version) {
  char* rest = nullptr;
  const long major = std::strtol(version.c_str(), &rest, 10);
  const long minor = *rest == '.' ? std::strtol(rest + 1, nullptr, 10) : 0;
  return major < kNeededMajor || (major == kNeededMajor && minor < kNeededMinor);
}

}  // namespace

std::vector<std::string> JudgeRedisSettings(const std::map<std::string, std::string>& settings) {
  const auto get = [&](const char* name) {
    const auto found = settings.find(name);
    return found == settings.end() ? std::string() : found->second;
  };
  std::vector<std::string> warnings;
  if (const std::string version = get("redis_version"); !version.empty() && IsTooOld(version)) {
    warnings.push_back("Redis " + version + " is too old: at least 6.2 is needed");
  }
  if (get("appendonly") == "no") {
    warnings.push_back(
        get("save").empty()
            ? "Redis keeps nothing on disk: a restart of Redis loses all jobs; set appendonly yes"
            : "Redis saves snapshots only: a crash of Redis loses the jobs accepted since the last "
              "one; set appendonly yes");
  } else if (get("appendonly") == "yes" && get("appendfsync") == "everysec") {
    warnings.push_back(
        "Redis writes to its disk once a second: a crash of its machine loses up to a second of "
        "accepted jobs and results; set appendfsync always to lose none");
  } else if (get("appendonly") == "yes" && get("appendfsync") == "no") {
    warnings.push_back(
        "Redis leaves writing to the kernel: a crash of its machine loses what was accepted in the "
        "last half minute or so; set appendfsync always to lose nothing");
  }
  const std::string policy = get("maxmemory-policy");
  if (get("maxmemory") != "0" && policy.starts_with("allkeys")) {
    warnings.push_back("Redis throws away jobs when its memory is full (maxmemory-policy " +
                       policy + "); set maxmemory-policy noeviction");
  } else if (get("maxmemory") != "0" && policy.starts_with("volatile")) {
    warnings.push_back(
        "Redis throws away results before JOB_TTL when its memory is full "
        "(maxmemory-policy " +
        policy + "); set maxmemory-policy noeviction");
  }
  return warnings;
}

void RedisChecks::Start(RedisClient& client) {
  settings_.clear();
  forbidden_ = false;
  missing_ = 0;
  const auto ask = [&](std::vector<std::string> command, auto read) {
    ++missing_;
    client.Send(std::move(command),
                [this, client = &client, read](const base::Result<RedisReply>& reply) {
                  if (reply) {
                    read(*reply);
                  } else {
                    forbidden_ = true;
                  }
                  if (--missing_ == 0 && client->up()) {
                    Judge();
                  }
                });
  };
  ask({"INFO", "server"},
      [this](const RedisReply& reply) { settings_["redis_version"] = FindVersion(reply.text); });
  for (const char* name : {"appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy"}) {
    ask({"CONFIG", "GET", name}, [this](const RedisReply& reply) {
      for (size_t i = 0; i + 1 < reply.items.size(); i += 2) {
        settings_[reply.items[i].text] = reply.items[i + 1].text;
      }
    });
  }
}

void RedisChecks::Judge() {
  std::vector<std::string> warnings = JudgeRedisSettings(settings_);
  if (forbidden_) {
    warnings.emplace_back(
        "Redis does not tell how it keeps its data (the user may lack +info or +config|get): make "
        "sure of appendonly yes, appendfsync always, maxmemory-policy noeviction");
  }
  std::string all;
  for (const std::string& warning : warnings) {
    all += warning + "\n";
  }
  if (all == said_) {
    return;
  }
  said_ = all;
  for (const std::string& warning : warnings) {
    base::Log(base::LogLevel::kWarning, warning);
  }
}

}  // namespace store
