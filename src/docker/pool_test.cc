#include "docker/pool.h"

#include <gtest/gtest.h>

#include "docker/cli.h"

namespace docker {
namespace {

void Up(Pool* pool, const std::string& name, const std::set<std::string>& ready) {
  Container* container = pool->Find(name);
  ASSERT_NE(container, nullptr);
  container->state = Container::State::kUp;
  container->ready = ready;
}

TEST(LanguageContainers, AreParsed) {
  const auto parsed = ParseLanguageContainers("go=a|b|c,python=d|e");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->at("go"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(parsed->at("python"), (std::vector<std::string>{"d", "e"}));
  EXPECT_TRUE(ParseLanguageContainers("")->empty());
}

TEST(LanguageContainers, ThatAreWrongAreNamed) {
  for (const char* text : {"go", "go=", "=a", "go=a|", "go=a|a", "go=a,go=b", "go=-x", "go=a b",
                           "go=a,", "go=../x", "go=a;rm"}) {
    const auto parsed = ParseLanguageContainers(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().message.find("SANDBOX_LANGUAGE_CONTAINERS"), std::string::npos);
  }
}

TEST(Listed, LinesThatAreNoneAreLeftOut) {
  const auto listed = ParseListed(
      "0123456789abcdef\tone\trunning\tgo,python\n"
      "broken line\n"
      "0123456789abcde0\t--all\trunning\t\n"
      "0123456789abcde1\ttwo\tpaused\t\n");
  ASSERT_EQ(listed.size(), 2U);
  EXPECT_EQ(listed[0].languages, (std::vector<std::string>{"go", "python"}));
  EXPECT_EQ(listed[1].status, "paused");
  EXPECT_EQ(Discover(listed).at("go"), std::vector<std::string>{"one"});
  EXPECT_EQ(FindListed(listed, "0123456789ab"), listed.data());
  EXPECT_EQ(FindListed(listed, "0123"), nullptr);
}

TEST(Inspected, OfAnotherFormIsAnError) {
  EXPECT_FALSE(ParseInspected(""));
  EXPECT_FALSE(ParseInspected("x\ty"));
  EXPECT_FALSE(ParseInspected("0123456789abcdef\trunning\timage\tnone,\n"));
  const auto good = ParseInspected("0123456789abcdef\trunning\timage\tnone,other,\t0\n");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->networks, (std::set<std::string>{"none", "other"}));
  EXPECT_FALSE(good->bounds_memory);
  EXPECT_TRUE(ParseInspected("0123456789abcdef\trunning\timage\t\t4294967296\n")->bounds_memory);
}

TEST(Pool, BalancesByFreeSlots) {
  Pool pool(2);
  pool.Set({{"go", {"a", "b"}}});
  Up(&pool, "a", {"go"});
  Up(&pool, "b", {"go"});
  std::map<std::string, int> had;
  for (int i = 0; i < 4; ++i) {
    Container* chosen = pool.Choose("go", false);
    ASSERT_NE(chosen, nullptr);
    chosen->running += 1;
    chosen->jobs += 1;
    had[chosen->name] += 1;
  }
  EXPECT_EQ(had["a"], 2);
  EXPECT_EQ(had["b"], 2);
  EXPECT_EQ(pool.Choose("go", false), nullptr);
  EXPECT_TRUE(pool.HasUp("go"));
}

TEST(Pool, TakesOnlyContainersThatAreUpAndHaveTheLanguage) {
  Pool pool(1);
  pool.Set({{"go", {"a"}}, {"python", {"a", "b"}}});
  EXPECT_EQ(pool.Choose("go", false), nullptr);
  Up(&pool, "b", {"python"});
  EXPECT_EQ(pool.Choose("go", false), nullptr);
  EXPECT_FALSE(pool.HasUp("go"));
  EXPECT_EQ(pool.Choose("python", false), pool.Find("b"));
  pool.Find("a")->error = "it is not running";
  EXPECT_NE(pool.WhyNot("go").find("a: it is not running"), std::string::npos);
}

TEST(Pool, KeepsContainersWithJobsUntilTheyHaveEnded) {
  Pool pool(1);
  pool.Set({{"go", {"a"}}});
  Up(&pool, "a", {"go"});
  pool.Find("a")->running = 1;
  pool.Set({});
  pool.Prune();
  ASSERT_NE(pool.Find("a"), nullptr);
  EXPECT_EQ(pool.Choose("go", false), nullptr);
  pool.Find("a")->running = 0;
  pool.Prune();
  EXPECT_EQ(pool.Find("a"), nullptr);
}

TEST(Pool, LiveRunsAreSpreadAndTakeNoSlot) {
  Pool pool(1);
  pool.Set({{"go", {"a", "b"}}});
  Up(&pool, "a", {"go"});
  Up(&pool, "b", {"go"});
  std::map<std::string, int> had;
  for (int i = 0; i < 4; ++i) {
    Container* chosen = pool.Choose("go", true);
    ASSERT_NE(chosen, nullptr);
    chosen->live += 1;
    had[chosen->name] += 1;
  }
  EXPECT_EQ(had["a"], 2);
  EXPECT_EQ(had["b"], 2);
  ASSERT_NE(pool.Choose("go", false), nullptr);
  pool.Find("a")->running = pool.Find("b")->running = 1;
  EXPECT_EQ(pool.Choose("go", false), nullptr);
  EXPECT_NE(pool.Choose("go", true), nullptr);
  pool.Find("a")->running = 0;
  pool.Set({});
  pool.Prune();
  EXPECT_NE(pool.Find("a"), nullptr) << "with a live run in it";
}

TEST(Pool, SingleContainerServesAllLanguagesAndKeepsItsState) {
  Pool pool(1);
  pool.Set({}, "runner");
  Up(&pool, "runner", {"go", "python"});
  pool.Set({}, "runner");
  pool.Prune();
  EXPECT_EQ(pool.Choose("python", false), pool.Find("runner"));
}

TEST(Pool, LooksAgainWhenAContainersLanguagesChange) {
  Pool pool(1);
  pool.Set({{"go", {"a"}}});
  Up(&pool, "a", {"go"});
  pool.Set({{"go", {"a"}}, {"python", {"a"}}});
  EXPECT_EQ(pool.Find("a")->state, Container::State::kDown);
}

TEST(DockerHost, PlainTcpIsRefused) {
  EXPECT_TRUE(CheckDockerHost("", false));
  EXPECT_TRUE(CheckDockerHost("unix:///run/docker.sock", false));
  EXPECT_TRUE(CheckDockerHost("tcp://docker:2376", true));
  const auto refused = CheckDockerHost("tcp://docker:2375", false);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("DOCKER_TLS_VERIFY"), std::string::npos);
}

}  // namespace
}  // namespace docker
