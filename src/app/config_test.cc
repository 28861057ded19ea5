#include "app/config.h"

#include <gtest/gtest.h>

#include <map>

namespace app {
namespace {

Environment From(std::map<std::string, std::string> values) {
  return [values](const char* name) -> std::optional<std::string> {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

TEST(Config, DefaultsAreThePredecessors) {
  const auto config = ReadConfig(From({}));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->http_host, "0.0.0.0");
  EXPECT_EQ(config->http_port, 8080);
  EXPECT_EQ(config->http_read_timeout, 5 * base::kSecond);
  EXPECT_EQ(config->http_write_timeout, 10 * base::kSecond);
  EXPECT_EQ(config->http_shutdown_timeout, 15 * base::kSecond);
  EXPECT_EQ(config->redis_addr, "redis:6379");
  EXPECT_EQ(config->redis_db, 0);
  EXPECT_EQ(config->role, "all");
  EXPECT_EQ(config->container, "code-sandbox-runner");
  EXPECT_EQ(config->job_dir, "/tmp/jobs");
  EXPECT_EQ(config->timeout, 3 * base::kSecond);
  EXPECT_EQ(config->docker_bin, "docker");
  EXPECT_EQ(config->network, "");
  EXPECT_EQ(config->job_store, "sqlite");
  EXPECT_EQ(config->backend, "native");
}

TEST(Config, AutoFollowsWhatIsSet) {
  EXPECT_EQ(ReadConfig(From({{"REDIS_ADDR", "r:1"}}))->job_store, "redis");
  EXPECT_EQ(ReadConfig(From({{"SANDBOX_CONTAINER", "c"}}))->backend, "docker");
  EXPECT_EQ(ReadConfig(From({{"SANDBOX_LANGUAGE_CONTAINERS", "go=a"}}))->backend, "docker");
  EXPECT_EQ(ReadConfig(From({{"REDIS_ADDR", "r:1"}, {"JOB_STORE", "memory"}}))->job_store,
            "memory");
}

TEST(Config, WrongValuesNameVariableValueAndWhatIsAccepted) {
  const struct {
    const char* name;
    const char* value;
    const char* accepted;
  } kCases[] = {{"HTTP_PORT", "0", "a port number from 1 to 65535"},
                {"HTTP_PORT", "80x", "a port number"},
                {"HTTP_READ_TIMEOUT", "-1s", "a duration such as"},
                {"SANDBOX_TIMEOUT", "5", "a duration such as"},
                {"SANDBOX_TIMEOUT", "2m", "must not exceed SANDBOX_MAX_TIMEOUT"},
                {"SANDBOX_WARM_START", "", "on, off, or ids of languages"},
                {"SANDBOX_WARM_START", "On", "on, off, or ids of languages"},
                {"SANDBOX_WARM_SANDBOXES", "33", "a whole number from 0 to 32"},
                {"SANDBOX_WARM_JOBS", "0", "a whole number from 1 to"},
                {"REDIS_ADDR", "redis", "host:port"},
                {"REDIS_ADDR", "unix:relative", "unix:/path"},
                {"REDIS_DB", "-1", "a whole number"},
                {"REDIS_KEY_PREFIX", "{x}", "letters"},
                {"REDIS_USERNAME", "anna", "without a REDIS_PASSWORD"},
                {"REDIS_TLS_CA", "/ca.pem", "REDIS_TLS is off"},
                {"ROLE", "worker", "unless JOB_STORE is redis"},
                {"JOB_STORE", "mysql", "one of auto, memory, sqlite, redis"},
                {"SANDBOX_BACKEND", "vm", "one of auto, native, docker"},
                {"SANDBOX_MEMORY", "1TB", "a size such as"},
                {"SANDBOX_MEMORY", "99999999999GiB", "a size such as"},
                {"SANDBOX_SLOTS", "0", "a whole number from 1"},
                {"SANDBOX_DOCKER_USER", "bob", "uid or uid:gid"},
                {"STATE_DIR", "relative", "an absolute path"},
                {"HTTP_HOST", "", "an IP address"},
                {"HTTP_HOST", "999.1.1.1", "an IP address"}};

  for (const auto& c : kCases) {
    const auto config = ReadConfig(From({{c.name, c.value}}));
    ASSERT_FALSE(config) << c.name << "=" << c.value;
    EXPECT_NE(config.error().message.find(c.name), std::string::npos) << config.error().message;
    EXPECT_NE(config.error().message.find(c.accepted), std::string::npos) << config.error().message;
  }
}

TEST(Config, SecretsAreNeverShown) {
  const auto config = ReadConfig(From({{"REDIS_PASSWORD", "hunter2\n"}}));
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message.find("hunter2"), std::string::npos);
}

TEST(Config, AllWrongVariablesAreNamedAtOnce) {
  const auto config = ReadConfig(From({{"HTTP_PORT", "x"}, {"JOB_TTL", "y"}}));
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find("HTTP_PORT"), std::string::npos);
  EXPECT_NE(config.error().message.find("JOB_TTL"), std::string::npos);
}

}  // namespace
}  // namespace app
