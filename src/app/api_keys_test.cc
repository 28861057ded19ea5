#include "app/api_keys.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/text.h"

namespace app {
namespace {

constexpr const char* kSecret = "0123456789abcdef-_~";

class ApiKeysFile : public testing::Test {
 protected:
  ApiKeysFile() : path_(testing::TempDir() + "/keys-" + base::RandomId() + ".json") {}

  ~ApiKeysFile() override { std::filesystem::remove(path_); }

  base::Result<void> Read(const std::string& text) {
    std::ofstream(path_) << text;
    return ReadApiKeysFile(path_, &keys_);
  }

  std::string path_;
  std::vector<job::Key> keys_;
};

TEST(ApiKeys, AreNamedAndHashed) {
  const auto keys = ParseApiKeys("ci=" + std::string(kSecret) + ", web=abcdefghijklmnop=");
  ASSERT_TRUE(keys.has_value()) << keys.error().message;
  ASSERT_EQ(keys->size(), 2U);
  EXPECT_EQ((*keys)[0].name, "ci");
  EXPECT_EQ((*keys)[0].hash, job::HashSecret(kSecret));
  EXPECT_EQ((*keys)[1].hash, job::HashSecret("abcdefghijklmnop="));
  EXPECT_TRUE(ParseApiKeys("")->empty());
}

TEST(ApiKeys, AnErrorRepeatsNothing) {
  const std::string secret(kSecret);
  for (const std::string& text : std::vector<std::string>{
           secret, "=" + secret, "a b=" + secret, "a=short",
           "a=" + secret + ",a=other-secret-other", "a=" + secret + ",b=" + secret,
           "a=" + secret + ",,b=" + secret, "a=" + secret + " x"}) {
    const auto keys = ParseApiKeys(text);
    ASSERT_FALSE(keys.has_value()) << text;
    EXPECT_EQ(keys.error().message.find("0123"), std::string::npos);
  }
}

TEST_F(ApiKeysFile, HasKeysWithLimits) {
  const std::string hash = base::HexEncode(job::HashSecret(kSecret));
  const auto read = Read(R"({"keys": [
    {"name": "ci", "key": "0123456789abcdefx", "admin": true},
    {"name": "web", "key_sha256": ")" +
                         hash + R"(", "rate": "600/m", "max_running": 2,
     "max_queued": 30, "languages": ["python"], "max_timeout": "5s",
     "max_limits": {"memory_bytes": 1048576}}]})");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_EQ(keys_.size(), 2U);
  EXPECT_TRUE(keys_[0].admin);
  EXPECT_EQ(keys_[1].hash, job::HashSecret(kSecret));
  EXPECT_EQ(keys_[1].rate.count, 600);
  EXPECT_EQ(keys_[1].rate.period, base::kMinute);
  EXPECT_EQ(keys_[1].max_running, 2);
  EXPECT_EQ(keys_[1].max_queued, 30);
  EXPECT_EQ(keys_[1].languages, std::vector<std::string>{"python"});
  EXPECT_EQ(keys_[1].max_timeout, 5 * base::kSecond);
  EXPECT_EQ(keys_[1].max_limits.memory_bytes, 1 << 20);
}

TEST_F(ApiKeysFile, SaysWhatIsWrongAndRepeatsNoKey) {
  const auto expect = [&](const std::string& text, const std::string& why) {
    keys_.clear();
    const auto read = Read(text);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_NE(read.error().message.find(why), std::string::npos) << read.error().message;
    EXPECT_EQ(read.error().message.find("0123"), std::string::npos) << read.error().message;
    EXPECT_EQ(read.error().kind, base::ErrorKind::kInvalidArgument);
  };
  const std::string key = R"("key": "0123456789abcdefx")";
  expect("{", "not JSON");
  expect("[]", "must be a JSON object");
  expect("{}", "keys is required");
  expect(R"({"keys": [{)" + key + "}]}", "keys[0].name is required");
  expect(R"({"keys": [{"name": "a"}]})", "keys[0].key is required");
  expect(R"({"keys": [{"name": "a", "key": "0123"}]})", "must be 16 to 256");
  expect(R"({"keys": [{"name": "a", "key_sha256": "0123"}]})", "64 hexadecimal digits");
  expect(R"({"keys": [{"name": "a", )" + key + R"(, "key": "x"}]})", "keys[0].key");
  expect(R"({"keys": [{"name": "a", )" + key + R"(, "rate": "10"}]})", "keys[0].rate");
  expect(R"({"keys": [{"name": "a", )" + key + R"(, "rate": "0/s"}]})", "keys[0].rate");
  expect(R"({"keys": [{"name": "a", )" + key + R"(, "network": 1}]})", "keys[0].network");
  expect(R"({"keys": [{"name": "a", )" + key + R"(, "languages": []}]})", "keys[0].languages");
  expect(R"({"keys": [{"name": "a", )" + key + R"(}, {"name": "b", )" + key + "}]}", "'b'");
  keys_.clear();
  EXPECT_FALSE(ReadApiKeysFile("/nonexistent/keys", &keys_).has_value());
}

}  // namespace
}  // namespace app
