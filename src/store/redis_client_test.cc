// The connection to Redis: protocol, errors, loss and return.
#include "store/redis_client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "store/redis_checks.h"
#include "store/testing/loop.h"
#include "store/testing/redis_server.h"

namespace store {
namespace {

using base::ErrorKind;
using base::Result;

RedisReply ErrorReply(const std::string& text) {
  RedisReply reply;
  reply.type = RedisReply::Type::kError;
  reply.text = text;
  return reply;
}

TEST(RedisAddress, TakesHostsAddressesSocketsAndLists) {
  const auto texts = [](const char* text) {
    std::string all;
    const auto addresses = ParseRedisAddresses(text);
    if (!addresses) {
      return std::string("none");
    }
    for (const RedisAddress& address : *addresses) {
      all += (all.empty() ? "" : " ") + address.ToString();
    }
    return all;
  };
  EXPECT_EQ(texts("redis:6379"), "redis:6379");
  EXPECT_EQ(texts("[::1]:1"), "[::1]:1");
  EXPECT_EQ(texts("::1:6379"), "[::1]:6379");
  EXPECT_EQ(texts("unix:/run/redis.sock"), "unix:/run/redis.sock");
  EXPECT_EQ(texts("a:1,b.c:65535,unix:/x"), "a:1 b.c:65535 unix:/x");
  for (const char* wrong : {"", "redis", "redis:", ":6379", "redis:0", "redis:65536", "redis:6379x",
                            "re dis:1", "a:1,", ",a:1", "unix:", "unix:relative", "a/b:1"}) {
    EXPECT_EQ(texts(wrong), "none") << wrong;
  }
}

TEST(RedisReader, ReadsRepliesInPieces) {
  const std::string bytes =
      "+OK\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n-ERR no\r\n*3\r\n$1\r\nx\r\n*0\r\n*-1\r\n";
  RedisReader reader;
  std::vector<RedisReply> replies;
  for (const char c : bytes) {
    reader.Feed(std::string_view(&c, 1));
    auto next = reader.Next();
    ASSERT_TRUE(next.has_value());
    if (*next) {
      replies.push_back(std::move(**next));
    }
  }
  ASSERT_EQ(replies.size(), 6U);
  EXPECT_TRUE(replies[0].IsText("OK"));
  EXPECT_EQ(replies[1].ToInt(), -7);
  EXPECT_TRUE(replies[2].IsText("a\r\n"));
  EXPECT_TRUE(replies[3].IsNil());
  EXPECT_EQ(replies[4].type, RedisReply::Type::kError);
  EXPECT_EQ(replies[4].text, "ERR no");
  ASSERT_EQ(replies[5].items.size(), 3U);
  EXPECT_TRUE(replies[5].items[0].IsText("x"));
  EXPECT_EQ(replies[5].items[1].type, RedisReply::Type::kArray);
  EXPECT_TRUE(replies[5].items[2].IsNil());
}

TEST(RedisReader, RefusesWhatIsNoRedis) {
  RedisReader reader;
  reader.Feed("HTTP/1.1 400 Bad Request\r\n");
  EXPECT_FALSE(reader.Next().has_value());
}

TEST(RedisReader, RefusesAnArrayLargerThanAnyReply) {
  for (const char* bytes : {"*2147483647\r\n", "*1\r\n*1048577\r\n"}) {
    RedisReader reader;
    reader.Feed(bytes);
    EXPECT_FALSE(reader.Next().has_value()) << bytes;
  }
}

TEST(FormatRedisCommand, KeepsEveryByte) {
  EXPECT_EQ(FormatRedisCommand({"SET", std::string("a\0b", 3), ""}),
            std::string("*3\r\n$3\r\nSET\r\n$3\r\na\0b\r\n$0\r\n\r\n", 28));
}

TEST(RedisError, SaysWhatToDo) {
  const auto error = [](const char* text) { return ToError(ErrorReply(text), "r:1"); };
  const auto expect = [&](const char* text, const char* part) {
    EXPECT_NE(error(text).message.find(part), std::string::npos) << error(text).message;
    EXPECT_EQ(error(text).kind, ErrorKind::kUnavailable) << text;
    EXPECT_NE(error(text).message.find("r:1"), std::string::npos);
  };
  expect("NOAUTH Authentication required.", "set REDIS_PASSWORD");
  expect("WRONGPASS invalid username-password pair or user is disabled.", "REDIS_USERNAME");
  expect("READONLY You can't write against a read only replica.", "read-only replica");
  expect("OOM command not allowed when used memory > 'maxmemory'. script: x, on @user_script:9.",
         "maxmemory");
  expect("ERR Error running script (call to f_1): @user_script:9: -OOM command not allowed",
         "maxmemory");
  expect("LOADING Redis is loading the dataset in memory", "loading");
  expect("MISCONF Redis is configured to save RDB snapshots", "MISCONF");
  expect("NOPERM this user has no permissions to run the 'evalsha' command", "REDIS_USERNAME");
  expect("MOVED 1 10.0.0.1:6379", "cluster");
  EXPECT_EQ(error("ERR something else").kind, ErrorKind::kInternal);
  EXPECT_TRUE(IsNoScript(ErrorReply("NOSCRIPT No matching script. Please use EVAL.")));
}

TEST(RedisChecks, WarnOfWhatCouldBeLost) {
  const auto judge = [](std::map<std::string, std::string> settings) {
    std::string all;
    for (const std::string& warning : JudgeRedisSettings(settings)) {
      all += warning + "\n";
    }
    return all;
  };
  const std::map<std::string, std::string> good = {
      {"redis_version", "7.0.15"}, {"appendonly", "yes"}, {"appendfsync", "always"},
      {"save", "3600 1"},          {"maxmemory", "0"},    {"maxmemory-policy", "noeviction"}};
  const auto with = [&](const char* name, const char* value) {
    auto settings = good;
    settings[name] = value;
    return judge(settings);
  };
  EXPECT_EQ(judge(good), "");
  EXPECT_EQ(judge({}), "");
  EXPECT_NE(with("appendonly", "no").find("snapshots only"), std::string::npos);
  EXPECT_NE(with("appendfsync", "everysec").find("up to a second"), std::string::npos);
  EXPECT_NE(with("appendfsync", "no").find("half minute"), std::string::npos);
  EXPECT_NE(with("redis_version", "6.0.16").find("6.2"), std::string::npos);
  EXPECT_EQ(with("redis_version", "6.2.0"), "");
  EXPECT_EQ(with("maxmemory-policy", "allkeys-lru"), "") << "harmless without a maxmemory";
  auto evicting = good;
  evicting["maxmemory"] = "100000000";
  evicting["maxmemory-policy"] = "allkeys-lru";
  EXPECT_NE(judge(evicting).find("throws away jobs"), std::string::npos);
}

class RedisClientTest : public testing::Test {
 protected:
  RedisClient& Connect(RedisOptions options) {
    RedisClient::Events events;
    events.up = [this] { ++ups_; };
    events.down = [this](const base::Error& why) {
      ++downs_;
      why_ = why.message;
    };
    client_.emplace(loop_.context(), std::move(options), "test", std::move(events));
    client_->Start();
    return *client_;
  }

  static RedisOptions To(const RedisServer& server) {
    RedisOptions options;
    options.addresses = {server.address()};
    return options;
  }

  bool UntilUp(int times) {
    return loop_.RunUntil([&] { return ups_ >= times; });
  }

  bool UntilDown(int times) {
    return loop_.RunUntil([&] { return downs_ >= times; });
  }

  Result<RedisReply> Send(std::vector<std::string> command) {
    std::optional<Result<RedisReply>> answer;
    client_->Send(std::move(command), [&](auto reply) { answer.emplace(std::move(reply)); });
    EXPECT_FALSE(answer.has_value()) << "answered from within the call";
    EXPECT_TRUE(loop_.RunUntil([&] { return answer.has_value(); }));
    return std::move(*answer);
  }

  Loop loop_;
  int ups_ = 0;
  int downs_ = 0;
  std::string why_;
  std::optional<RedisClient> client_;
};

TEST_F(RedisClientTest, AnswersInOrder) {
  RedisClient& client = Connect(To(RedisServer::Shared()));
  ASSERT_TRUE(UntilUp(1));
  std::vector<std::string> answers;
  for (int i = 0; i < 1000; ++i) {
    client.Send({"ECHO", std::to_string(i)}, [&](auto reply) { answers.push_back(reply->text); });
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return answers.size() == 1000; }));
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(answers[static_cast<size_t>(i)], std::to_string(i));
  }
}

TEST_F(RedisClientTest, ReloadsAScriptThatWasFlushed) {
  RedisOptions options = To(RedisServer::Shared());
  options.prefix = "x";
  RedisClient& client = Connect(options);
  ASSERT_TRUE(UntilUp(1));
  const RedisScript script = RedisScript::Of("return KEYS[1] .. ARGV[1]");
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Send({"SCRIPT", "FLUSH"}).has_value());
    std::string answer;
    client.Run(script, {"!"}, [&](auto reply) { answer = reply->text; });
    ASSERT_TRUE(loop_.RunUntil([&] { return !answer.empty(); }));
    EXPECT_EQ(answer, "{x}!");
  }
}

TEST_F(RedisClientTest, ComesBackAfterARestart) {
  RedisServer server;
  Connect(To(server));
  ASSERT_TRUE(UntilUp(1));
  server.Stop();
  ASSERT_TRUE(UntilDown(2));
  EXPECT_NE(why_.find("redis.sock"), std::string::npos) << why_;
  const auto refused = Send({"PING"});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnavailable);
  server.Start();
  ASSERT_TRUE(UntilUp(2));
  EXPECT_TRUE(Send({"PING"}).has_value());
}

TEST_F(RedisClientTest, CommandsUnderWayFailWhenTheServerDies) {
  RedisServer server;
  RedisClient& client = Connect(To(server));
  ASSERT_TRUE(UntilUp(1));
  int failed = 0;
  client.Send({"BLPOP", "nothing", "0"}, [&](const auto& reply) { failed += reply ? 0 : 1; });
  client.Send({"PING"}, [&](const auto& reply) { failed += reply ? 0 : 1; });
  server.Stop();
  ASSERT_TRUE(UntilDown(1));
  EXPECT_EQ(failed, 2);
}

TEST_F(RedisClientTest, ACommandHasADeadline) {
  RedisOptions options = To(RedisServer::Shared());
  options.command_timeout = 100 * base::kMillisecond;
  Connect(options);
  ASSERT_TRUE(UntilUp(1));
  const auto late = Send({"BLPOP", "nothing-at-all", "0"});
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().kind, ErrorKind::kUnavailable);
  EXPECT_NE(late.error().message.find("100ms"), std::string::npos) << late.error().message;
  EXPECT_TRUE(UntilUp(2)) << "a new connection is made";
}

TEST_F(RedisClientTest, TheQueueIsBounded) {
  RedisOptions options = To(RedisServer::Shared());
  options.max_pending = 10;
  RedisClient& client = Connect(options);
  ASSERT_TRUE(UntilUp(1));
  int answered = 0;
  int refused = 0;
  for (int i = 0; i < 15; ++i) {
    client.Send({"PING"}, [&](const auto& reply) { ++(reply ? answered : refused); });
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return answered + refused == 15; }));
  EXPECT_GE(refused, 4);  // the checks at the start may take places too
  EXPECT_LE(answered, 11);
}

TEST_F(RedisClientTest, NamesTheVariableOfAWrongPasswordAndNotThePassword) {
  RedisServer server({"--requirepass", "right-one"});
  RedisOptions options = To(server);
  Connect(options);
  ASSERT_TRUE(UntilDown(1));
  EXPECT_NE(why_.find("set REDIS_PASSWORD"), std::string::npos) << why_;
  downs_ = 0;
  options.password = "wrong-one";
  Connect(options);
  ASSERT_TRUE(UntilDown(1));
  EXPECT_NE(why_.find("check REDIS_PASSWORD"), std::string::npos) << why_;
  EXPECT_EQ(why_.find("wrong-one"), std::string::npos) << why_;
  options.password = "right-one";
  Connect(options);
  EXPECT_TRUE(UntilUp(1));
}

TEST_F(RedisClientTest, AuthenticatesAnAclUserAndSelectsTheDatabase) {
  RedisServer server({"--user", "anna", "on", ">secret", "~*", "&*", "+@all"});
  RedisOptions options = To(server);
  options.username = "anna";
  options.password = "secret";
  options.db = 3;
  Connect(options);
  ASSERT_TRUE(UntilUp(1));
  EXPECT_EQ(Send({"ACL", "WHOAMI"})->text, "anna");
  EXPECT_NE(Send({"CLIENT", "INFO"})->text.find(" db=3 "), std::string::npos);
}

TEST_F(RedisClientTest, LooksForTheMasterAmongItsAddresses) {
  RedisServer master;
  // Its master cannot be reached; that does not matter for what it says of itself.
  RedisServer replica({"--replicaof", "127.0.0.1 1"});
  RedisOptions options;
  options.addresses = {replica.address(), master.address()};
  Connect(options);
  ASSERT_TRUE(UntilUp(1));
  EXPECT_NE(why_.find("read-only replica"), std::string::npos) << why_;
  // The roles change: a write tells, and the other one is found.
  ASSERT_TRUE(Send({"REPLICAOF", "127.0.0.1", "1"}).has_value());
  const auto written = Send({"SET", "x", "1"});
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().kind, ErrorKind::kUnavailable);
  EXPECT_NE(written.error().message.find("read-only replica"), std::string::npos);
}

TEST_F(RedisClientTest, SaysWhyAHostCannotBeReached) {
  RedisOptions options;
  options.addresses = *ParseRedisAddresses("127.0.0.1:1");
  Connect(options);
  ASSERT_TRUE(UntilDown(2)) << "it keeps trying";
  EXPECT_NE(why_.find("127.0.0.1:1"), std::string::npos) << why_;
  EXPECT_NE(why_.find("refused"), std::string::npos) << why_;
}

TEST_F(RedisClientTest, MayBeDestroyedInACallback) {
  Connect(To(RedisServer::Shared()));
  ASSERT_TRUE(UntilUp(1));
  bool answered = false;
  client_->Send({"PING"}, [&](const auto&) {
    answered = true;
    client_.reset();
  });
  client_->Send({"PING"}, [&](const auto&) { FAIL() << "answered after the end"; });
  ASSERT_TRUE(loop_.RunUntil([&] { return answered; }));
  bool last = false;
  loop_.post()([&] { last = true; });
  ASSERT_TRUE(loop_.RunUntil([&] { return last; }));
}

}  // namespace
}  // namespace store
