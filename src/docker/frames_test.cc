#include "docker/frames.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstring>

#include "sandbox/wire.h"

namespace docker {
namespace {

using wire::FrameType;

template <typename T>
std::string Bytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

std::string Frame(FrameType type, const std::string& payload) {
  return Bytes(wire::FrameHeader{static_cast<uint32_t>(type),
                                 static_cast<uint32_t>(payload.size())}) +
         payload;
}

std::string Hello() {
  wire::Hello hello{};
  hello.version = wire::kVersion;
  return Frame(FrameType::kHello, Bytes(hello));
}

std::string Done(uint32_t flags = sandbox::wire::kHasStatus, int status = 0) {
  wire::Done done{};
  done.flags = flags;
  done.wait_status = status;
  return Frame(FrameType::kDone, Bytes(done));
}

std::string File(uint32_t index, int64_t size, int error = 0, const std::string& path = "") {
  wire::File file{index, error, size, {}};
  path.copy(file.path.data(), file.path.size());
  return Frame(FrameType::kFile, Bytes(file));
}

sandbox::Spec SmallSpec() {
  sandbox::Spec spec;
  spec.argv = {"/bin/true"};
  spec.limits.wall_time = base::kSecond;
  spec.limits.memory_bytes = 1 << 20;
  spec.limits.processes = 4;
  spec.limits.output_bytes = 8;
  spec.collect = {"a", "b"};
  spec.collect_bytes = 100;
  return spec;
}

std::string Usage(base::Nanos wall_time, int64_t memory = 1, int64_t peak = 2) {
  return Frame(FrameType::kUsage, Bytes(wire::Usage{wall_time, 5, memory, peak, 3}));
}

class Frames : public testing::Test {
 protected:
  Frames() : parser(EventsTo(&usages)) { parser.Expect(SmallSpec()); }

  static FrameParser::Events EventsTo(std::vector<sandbox::LiveUsage>* usages) {
    FrameParser::Events events;
    events.on_usage = [usages](const sandbox::LiveUsage& usage) { usages->push_back(usage); };
    return events;
  }

  bool Accepts(const std::string& bytes) { return parser.Feed(bytes).has_value(); }

  std::vector<sandbox::LiveUsage> usages;
  FrameParser parser;
};

TEST_F(Frames, TellWhatIsUsed) {
  ASSERT_TRUE(Accepts(Hello() + Frame(FrameType::kStarted, "")));
  ASSERT_TRUE(Accepts(Usage(250'000'000) + Usage(750'000'000)));
  ASSERT_EQ(usages.size(), 2U);
  EXPECT_EQ(usages[1].wall_time, 750'000'000);
  EXPECT_EQ(usages[1].cpu_time, 5);
  EXPECT_EQ(usages[1].memory_bytes, 1);
  EXPECT_EQ(usages[1].memory_peak_bytes, 2);
  EXPECT_EQ(usages[1].processes, 3);
  EXPECT_TRUE(Accepts(Done()));
}

TEST_F(Frames, UsageBeforeTheStartIsRefused) {
  EXPECT_FALSE(Accepts(Hello() + Usage(250'000'000)));
}

TEST_F(Frames, UsageThatCannotBeIsRefused) {
  const std::string start = Hello() + Frame(FrameType::kStarted, "");
  for (const std::string& bad :
       {Usage(100'000'000), Usage(2'000'000'000), Usage(300'000'000, 5, 4), Usage(300'000'000, -1),
        Usage(300'000'000) + Usage(400'000'000), Frame(FrameType::kUsage, "x")}) {
    FrameParser fresh{FrameParser::Events{}};
    fresh.Expect(SmallSpec());
    ASSERT_TRUE(fresh.Feed(start).has_value());
    EXPECT_FALSE(fresh.Feed(bad).has_value());
  }
}

TEST_F(Frames, TellWhatOfTheInputIsTaken) {
  uint32_t left = 5;
  FrameParser::Events events;
  events.on_taken = [&](uint32_t bytes) {
    const bool sound = bytes <= left;
    left -= sound ? bytes : 0;
    return sound;
  };
  FrameParser live(std::move(events));
  live.Expect(SmallSpec());
  const auto taken = [](uint32_t bytes) {
    return Frame(FrameType::kTaken, Bytes(wire::Taken{bytes}));
  };
  EXPECT_TRUE(live.Feed(Hello() + taken(2)));
  EXPECT_EQ(left, 3U);
  EXPECT_FALSE(live.Feed(taken(4))) << "more than was sent";
  EXPECT_FALSE(Accepts(Hello() + taken(1))) << "of a program that is not fed";
}

TEST_F(Frames, AreReadByteByByte) {
  const std::string all = Hello() + Frame(FrameType::kStarted, "") +
                          Frame(FrameType::kStdout, "out") + Frame(FrameType::kStderr, "err") +
                          File(0, 3) + Frame(FrameType::kFileData, "ab") +
                          Frame(FrameType::kFileData, "c") + File(1, 0, ENOENT) + Done();
  for (const char byte : all) {
    ASSERT_TRUE(Accepts(std::string(1, byte)));
  }
  ASSERT_TRUE(parser.done());
  const sandbox::RunResult& r = parser.result();
  EXPECT_EQ(r.cause, sandbox::Cause::kExited);
  EXPECT_EQ(r.stdout_data, "out");
  EXPECT_EQ(r.stderr_data, "err");
  ASSERT_NE(r.collected[0].fd, nullptr);
  EXPECT_EQ(r.collected[0].size, 3);
  EXPECT_EQ(r.collected[1].error, "not found");
  EXPECT_EQ(r.collected[1].fd, nullptr);
}

TEST_F(Frames, FilesBeyondThosePathsMustMatchAPattern) {
  sandbox::Spec spec = SmallSpec();
  spec.collect = {"a", "*.txt"};
  const auto fed = [&](const std::string& path) {
    FrameParser other(FrameParser::Events{});
    other.Expect(spec);
    const bool good = other
                          .Feed(Hello() + File(0, 0, ENOENT) + File(1, 1, 0, path) +
                                Frame(FrameType::kFileData, "x") +
                                Done(sandbox::wire::kHasStatus | sandbox::wire::kMoreFiles))
                          .has_value();
    EXPECT_TRUE(!good || other.result().more_files);
    return good ? static_cast<int>(other.result().collected.size()) : -1;
  };
  EXPECT_EQ(fed("b.txt"), 2);
  EXPECT_EQ(fed("b.log"), -1);
  EXPECT_EQ(fed("c/b.txt"), -1);
  EXPECT_EQ(fed("\xff.txt"), 1) << "its name cannot be told";
  EXPECT_EQ(fed(std::string(wire::kMaxPath, 'a')), -1) << "no end";
}

TEST_F(Frames, MustBeginWithAHelloOfTheVersion) {
  EXPECT_FALSE(Accepts(Done()));
  FrameParser other(FrameParser::Events{});
  wire::Hello hello{};
  hello.version = wire::kVersion + 1;
  EXPECT_FALSE(other.Feed(Frame(FrameType::kHello, Bytes(hello))).has_value());
}

TEST_F(Frames, NothingBeforeTheJobIsSent) {
  FrameParser idle(FrameParser::Events{});
  EXPECT_TRUE(idle.Feed(Hello()).has_value());
  EXPECT_FALSE(idle.Feed(Frame(FrameType::kStdout, "x")).has_value());
}

TEST_F(Frames, TooLongAreRefusedByTheirHeader) {
  EXPECT_FALSE(Accepts(Hello() + Bytes(wire::FrameHeader{3, wire::kMaxFrame + 1})));
}

TEST_F(Frames, MoreOutputThanTheLimitIsRefused) {
  EXPECT_TRUE(Accepts(Hello() + Frame(FrameType::kStdout, "123456789012")));
  EXPECT_FALSE(Accepts(Frame(FrameType::kStdout, "3")));
}

TEST_F(Frames, CutOutputEndsAtTheLimit) {
  ASSERT_TRUE(Accepts(Hello() + Frame(FrameType::kStdout, "1234567\xc3\xa4 23") +
                      Done(sandbox::wire::kEndedOutput | wire::kStdoutTruncated)));
  EXPECT_EQ(parser.result().stdout_data, "1234567");
  EXPECT_TRUE(parser.result().stdout_truncated);
  EXPECT_EQ(parser.result().cause, sandbox::Cause::kOutputLimit);
}

TEST_F(Frames, FilesMustBeThoseAskedForInTheirOrder) {
  EXPECT_FALSE(Accepts(Hello() + File(1, 0)));
}

TEST_F(Frames, FilesMustKeepToTheirSizeAndTheBound) {
  EXPECT_TRUE(Accepts(Hello() + File(0, 2)));
  EXPECT_FALSE(Accepts(Frame(FrameType::kFileData, "abc")));
  FrameParser other(FrameParser::Events{});
  other.Expect(SmallSpec());
  EXPECT_FALSE(other.Feed(Hello() + File(0, 101)).has_value());
  FrameParser negative(FrameParser::Events{});
  negative.Expect(SmallSpec());
  EXPECT_FALSE(negative.Feed(Hello() + File(0, -1)).has_value());
}

TEST_F(Frames, NoThirdFileOutOfTwo) {
  EXPECT_TRUE(Accepts(Hello() + File(0, 0) + File(1, 0)));
  EXPECT_FALSE(Accepts(File(2, 0)));
}

TEST_F(Frames, OutputAfterFilesIsOutOfPlace) {
  EXPECT_TRUE(Accepts(Hello() + File(0, 0)));
  EXPECT_FALSE(Accepts(Frame(FrameType::kStdout, "x")));
}

TEST_F(Frames, NothingFollowsTheEnd) {
  EXPECT_TRUE(Accepts(Hello() + Done()));
  EXPECT_FALSE(Accepts(Done()));
}

TEST_F(Frames, ImpossibleNumbersAreRefused) {
  wire::Done done{};
  done.cpu_time = -1;
  EXPECT_FALSE(Accepts(Hello() + Frame(FrameType::kDone, Bytes(done))));
}

TEST_F(Frames, SecondStartIsRefused) {
  EXPECT_TRUE(Accepts(Hello() + Frame(FrameType::kStarted, "")));
  EXPECT_FALSE(Accepts(Frame(FrameType::kStarted, "")));
}

TEST_F(Frames, UnknownTypesAreRefused) {
  EXPECT_FALSE(Accepts(Hello() + Frame(static_cast<FrameType>(99), "")));
}

TEST(EncodeJob, RefusesWhatTheSupervisorWouldRefuse) {
  const JobPlace place;
  const std::string filter(8, 'x');
  sandbox::Spec spec = SmallSpec();
  EXPECT_TRUE(EncodeJob(spec, place, filter).has_value());
  EXPECT_FALSE(EncodeJob(spec, place, "").has_value());
  EXPECT_FALSE(EncodeJob(spec, place, "1234567").has_value());
  spec.env.emplace_back("A", std::string("b\0c", 3));
  EXPECT_FALSE(EncodeJob(spec, place, filter).has_value());
  spec.env.clear();
  spec.argv.clear();
  EXPECT_FALSE(EncodeJob(spec, place, filter).has_value());
}

}  // namespace
}  // namespace docker
