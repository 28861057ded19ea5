#include "service/keys.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace service {
namespace {

using Mode = Keys::Mode;

job::Key MakeKey(const std::string& id) {
  job::Key key;
  key.id = id;
  key.name = id;
  key.hash = job::HashSecret("secret of " + id);
  return key;
}

TEST(Keys, AreRequiredOnceThereWasOne) {
  Keys keys(Mode::kAuto, {});
  EXPECT_FALSE(keys.required().has_value());  // the store has not told
  keys.Replace(0, {});
  EXPECT_EQ(keys.required(), false);
  keys.Replace(1, {MakeKey("a")});
  EXPECT_EQ(keys.required(), true);
  keys.Replace(2, {});
  EXPECT_EQ(keys.required(), true);
}

TEST(Keys, OfTheConfigurationAreRequiredAtOnce) {
  EXPECT_EQ(Keys(Mode::kAuto, {MakeKey("a")}).required(), true);
  EXPECT_EQ(Keys(Mode::kRequired, {}).required(), true);
  EXPECT_EQ(Keys(Mode::kOff, {MakeKey("a")}).required(), false);
}

TEST(Keys, AreFoundByTheirSecret) {
  Keys keys(Mode::kAuto, {MakeKey("a")});
  keys.Replace(1, {MakeKey("b")});
  ASSERT_NE(keys.Find("secret of a"), nullptr);
  EXPECT_EQ(keys.Find("secret of b")->id, "b");
  for (const char* secret : {"", "secret of", "secret of aa", "a"}) {
    EXPECT_EQ(keys.Find(secret), nullptr) << secret;
  }
  EXPECT_EQ(keys.Find(job::HashSecret("secret of a")), nullptr);
}

TEST(Keys, TellWhichAreRevoked) {
  Keys keys(Mode::kAuto, {MakeKey("configured")});
  std::vector<std::string> revoked;
  keys.OnRevoked([&](const job::Key& key) {
    revoked.push_back(key.id);
    EXPECT_FALSE(keys.IsCurrent(key));
  });
  keys.Replace(1, {MakeKey("a"), MakeKey("b")});
  const Keys::KeyPtr a = keys.Find("secret of a");
  keys.Replace(2, {MakeKey("a"), MakeKey("c")});
  EXPECT_EQ(revoked, std::vector<std::string>{"b"});
  EXPECT_EQ(keys.Find("secret of b"), nullptr);
  EXPECT_EQ(keys.Find("secret of a"), a);
  EXPECT_TRUE(keys.IsCurrent(*a));
}

TEST(Keys, AnotherKeyWithTheSameSecretIsAnother) {
  Keys keys(Mode::kAuto, {});
  keys.Replace(1, {MakeKey("a")});
  const Keys::KeyPtr before = keys.Find("secret of a");
  job::Key renamed = MakeKey("a");
  renamed.id = "z";
  keys.Replace(2, {renamed});
  EXPECT_FALSE(keys.IsCurrent(*before));
  EXPECT_EQ(keys.Find("secret of a")->id, "z");
}

TEST(MaySee, IsForTheOwnerWhereThereAreKeys) {
  Keys keys(Mode::kAuto, {MakeKey("a")});
  const Caller a{"key:a", keys.Find("secret of a")};
  const Caller open{"192.0.2.1", nullptr};
  EXPECT_TRUE(MaySee(a, "key:a"));
  EXPECT_FALSE(MaySee(a, "key:b"));
  EXPECT_FALSE(MaySee(a, "192.0.2.1"));
  EXPECT_TRUE(MaySee(open, "192.0.2.1"));
  EXPECT_TRUE(MaySee(open, "192.0.2.2"));  // whoever knows the id
  EXPECT_FALSE(MaySee(open, "key:a"));
}

}  // namespace
}  // namespace service
