#include "http/events.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <string>
#include <vector>

#include "base/text.h"
#include "store/stores.h"

namespace http {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using job::Status;
using sandbox::Stream;

TEST(EventIds, RoundTrip) {
  for (const char* text :
       {"0-0-0", "7-12-34", "18446744073709551615-9223372036854775807-0", "7-12-34-end"}) {
    const auto id = ParseEventId(text);
    ASSERT_TRUE(id.has_value()) << text;
    EXPECT_EQ(ToString(*id), text);
  }
}

TEST(EventIds, RefuseWhatIsNone) {
  for (const char* text :
       {"", "1", "1-2", "1-2-", "1-2-3-", "1-2-3-4", "-1-2-3", "1--2-3", "1-2--3", "1-2-3-endx",
        "x-2-3", "1-2-3 ", "+1-2-3", "18446744073709551616-0-0", "1-9223372036854775808-0"}) {
    EXPECT_FALSE(ParseEventId(text).has_value()) << text;
  }
}

struct Event {
  std::string kind;
  std::string id;
  json::object data;
};

// A stream over a real store, whose worker is the test.
class EventStreamTest : public testing::Test {
 protected:
  EventStreamTest() {
    job::StoreOptions options;
    options.lease_time = base::kMinute;
    store_ = store::MakeMemoryStore(
        options, [this](std::function<void()> f) { asio::post(loop_, std::move(f)); },
        [this] { return now_; });
    service_.emplace(service::Options{}, *store_, languages_);
    job::Job job;
    job.id = id_;
    job.created_at = now_;
    job.submission.language = "x";
    store_->Submit(job, job::Durability::kAtOnce,
                   [](auto result) { EXPECT_TRUE(result.has_value()); });
    Run();
  }

  // Until nothing is left to do but to wait for timers.
  void Run() {
    loop_.restart();
    loop_.poll();
  }

  void Lease() {
    store_->LeaseJobs("w", 1, [this](auto leases) {
      ASSERT_TRUE(leases.has_value());
      ASSERT_EQ(leases->size(), 1U);
      run_ = leases->front().token;
    });
    Run();
    written_ = {};
  }

  void Write(Stream stream, std::string data) {
    int64_t& end = written_.at(stream == Stream::kStdout ? 0 : 1);
    const auto size = static_cast<int64_t>(data.size());
    store_->Publish(id_, {run_, stream, end, std::move(data)});
    end += size;
    Run();
  }

  void Usage(base::Nanos wall_time) {
    sandbox::LiveUsage usage;
    usage.wall_time = wall_time;
    usage.processes = 3;
    store_->PublishUsage(id_, run_, usage);
    Run();
  }

  void Out(std::string data) { Write(Stream::kStdout, std::move(data)); }

  void Finish(job::Outcome outcome) {
    store_->Finish(id_, run_, std::move(outcome),
                   [](auto result) { EXPECT_TRUE(result.has_value()); });
    Run();
  }

  void Complete(const std::string& out) {
    job::Outcome outcome;
    outcome.result.emplace();
    outcome.result->stdout_data = out;
    Finish(std::move(outcome));
  }

  void Cancelled() {
    job::Outcome outcome;
    outcome.status = Status::kCancelled;
    Finish(std::move(outcome));
  }

  std::shared_ptr<EventStream> Open(job::OutputPosition from = {}, Budget::Share share = {}) {
    auto stream = std::make_shared<EventStream>(loop_, *service_, open_, id_, service::Caller(),
                                                from, std::move(share));
    stream->Watch();
    service_->Get(id_, {}, [stream](std::shared_ptr<const job::Job> job, const service::Refusal&) {
      ASSERT_NE(job, nullptr);
      stream->Begin(std::move(job));
    });
    Run();
    return stream;
  }

  // Takes all that is there.
  std::vector<Event> Read(EventStream& stream) {
    std::string text;
    for (;;) {
      std::string piece = stream.Take();
      if (piece.empty()) {
        Run();  // what the store tells again comes later
        piece = stream.Take();
      }
      largest_ = std::max(largest_, piece.size());
      if (piece.empty()) {
        break;
      }
      text += piece;
      Run();
    }
    std::vector<Event> events;
    for (size_t end = text.find("\n\n"); end != std::string::npos; end = text.find("\n\n")) {
      const std::string block = text.substr(0, end) + "\n";
      text.erase(0, end + 2);
      const auto field = [&block](const std::string& name) {
        const size_t begin = block.find(name + ": ");
        if (begin == std::string::npos) {
          return std::string();
        }
        const size_t value = begin + name.size() + 2;
        return block.substr(value, block.find('\n', value) - value);
      };
      if (!field("event").empty()) {
        events.push_back({field("event"), field("id"), json::parse(field("data")).as_object()});
      }
    }
    EXPECT_EQ(text, "");
    return events;
  }

  static std::string Kinds(const std::vector<Event>& events) {
    std::string kinds;
    for (const Event& event : events) {
      kinds += (kinds.empty() ? "" : " ") + event.kind;
      if (event.kind == "status") {
        kinds += "=" + std::string(event.data.at("status").as_string());
      }
    }
    return kinds;
  }

  // The output's bytes; each event must begin where the one before ended.
  static std::string Output(const std::vector<Event>& events, const std::string& kind = "stdout",
                            int64_t from = 0) {
    std::string out;
    for (const Event& event : events) {
      if (event.kind == kind) {
        EXPECT_EQ(event.data.at("offset").as_int64(), from + static_cast<int64_t>(out.size()));
        const std::string data(event.data.at("data").as_string());
        out += event.data.at("encoding").as_string() == "utf8" ? data : *base::Base64Decode(data);
      }
    }
    return out;
  }

  const std::string id_ = "AAAAAAAAAAAAAAAAAAAAAA";
  asio::io_context loop_;
  base::Nanos now_ = 1'000'000 * base::kSecond;
  language::Registry languages_;
  std::unique_ptr<job::Store> store_;
  std::optional<service::Service> service_;
  const std::shared_ptr<bool> open_ = std::make_shared<bool>(true);
  uint64_t run_ = 0;
  std::array<int64_t, 2> written_{};
  size_t largest_ = 0;
};

TEST_F(EventStreamTest, TellsALifeFromTheQueueToTheResult) {
  const auto stream = Open();
  EXPECT_EQ(Kinds(Read(*stream)), "status=queued");
  Lease();
  EXPECT_EQ(Kinds(Read(*stream)), "status=running");
  Out("hello");
  Write(Stream::kStderr, "bad");
  EXPECT_EQ(Kinds(Read(*stream)), "stdout stderr");
  EXPECT_FALSE(stream->ended());
  Complete("hello, world");
  const auto events = Read(*stream);
  EXPECT_EQ(Kinds(events), "stdout status=completed result");
  EXPECT_EQ(Output(events, "stdout", 5), ", world");
  EXPECT_EQ(events.back().id, std::to_string(run_) + "-12-3-end");
  EXPECT_TRUE(stream->ended());
}

TEST_F(EventStreamTest, TellsWhatTheProgramUsesWithoutAnId) {
  const auto stream = Open();
  Lease();
  Out("x");
  Read(*stream);
  Usage(300 * base::kMillisecond);
  Usage(800 * base::kMillisecond);
  const auto events = Read(*stream);
  ASSERT_EQ(Kinds(events), "usage usage");
  EXPECT_EQ(events[0].id, "");
  EXPECT_EQ(json::serialize(events[1].data), R"({"wall_time_ms":800,"processes":3})");
  Complete("x");
  Usage(900 * base::kMillisecond);
  EXPECT_EQ(Kinds(Read(*stream)), "status=completed result");
}

TEST_F(EventStreamTest, BeginsWithTheLatestUsage) {
  Lease();
  Usage(300 * base::kMillisecond);
  const auto stream = Open();
  EXPECT_EQ(Kinds(Read(*stream)), "status=running usage");
  Usage(200 * base::kMillisecond);
  EXPECT_EQ(Kinds(Read(*stream)), "") << "an older one";
}

TEST_F(EventStreamTest, ASlowReaderIsNotToldEveryUsage) {
  Lease();
  const auto stream = Open();
  for (base::Nanos i = 1; i <= 10'000; ++i) {
    Usage(i * base::kMillisecond);
  }
  const auto events = Read(*stream);
  EXPECT_LT(largest_, size_t{64} << 10);
  EXPECT_GT(events.size(), 2U);
  Usage(base::kHour);
  EXPECT_EQ(Kinds(Read(*stream)), "usage");
}

TEST_F(EventStreamTest, TellsAFinishedJobFromItsResult) {
  Lease();
  const std::string out(100'000, 'x');
  Complete(out);
  now_ += job::kOutputRetention;
  store_->Sweep([](auto) {});
  Run();
  const auto events = Read(*Open());
  EXPECT_TRUE(Output(events) == out);
  EXPECT_EQ(events.back().kind, "result");
  const auto resumed = Read(*Open({run_, 99'990, 0}));
  EXPECT_EQ(Output(resumed, "stdout", 99'990), "xxxxxxxxxx");
}

TEST_F(EventStreamTest, CallsWhenThereIsSomething) {
  const auto stream = Open();
  Read(*stream);
  int calls = 0;
  stream->on_ready = [&] { ++calls; };
  Lease();
  EXPECT_GT(std::exchange(calls, 0), 0);
  Out("x");
  EXPECT_GT(std::exchange(calls, 0), 0);
  Complete("x");
  EXPECT_GT(calls, 0);
}

TEST_F(EventStreamTest, ASlowReaderCostsLittleAndMissesNothing) {
  Lease();
  const auto stream = Open();
  std::string all;
  for (int i = 0; i < 300; ++i) {
    const std::string piece = std::to_string(i) + std::string(10'000, 'y') + "\n";
    all += piece;
    Out(piece);
  }
  std::vector<Event> events = Read(*stream);
  EXPECT_TRUE(Output(events) == all);
  EXPECT_LT(largest_, size_t{20} << 10);
  Out("the end");
  events = Read(*stream);
  EXPECT_EQ(Output(events, "stdout", static_cast<int64_t>(all.size())), "the end");
}

TEST_F(EventStreamTest, AHugeWriteComesInPieces) {
  Lease();
  const auto stream = Open();
  std::string all;
  for (int i = 0; i < 30'000; ++i) {
    all += std::to_string(i) + "\xC3\xA9";  // characters of two bytes, at odd and even places
  }
  Out(all);
  Write(Stream::kStderr, "after it");
  const std::vector<Event> events = Read(*stream);
  EXPECT_TRUE(Output(events) == all);
  EXPECT_EQ(Output(events, "stderr"), "after it");
  EXPECT_EQ(events.back().kind, "stderr");
  EXPECT_LT(largest_, size_t{20} << 10);
}

TEST_F(EventStreamTest, ASlowReaderOfAnEndedJobMissesNothing) {
  Lease();
  const auto stream = Open();
  std::string all;
  for (int i = 0; i < 30; ++i) {
    all += std::string(10'000, static_cast<char>('a' + i % 26));
    Out(std::string(10'000, static_cast<char>('a' + i % 26)));
  }
  Complete(all);
  const auto events = Read(*stream);
  EXPECT_TRUE(Output(events) == all);
  EXPECT_EQ(events.back().kind, "result");
}

TEST_F(EventStreamTest, ASlowReaderOfACancelledJobMissesNothing) {
  Lease();
  const auto stream = Open();
  std::string all;
  for (int i = 0; i < 30; ++i) {
    all += std::string(10'000, static_cast<char>('a' + i % 26));
    Out(std::string(10'000, static_cast<char>('a' + i % 26)));
  }
  Cancelled();
  const auto events = Read(*stream);
  EXPECT_TRUE(Output(events) == all);
  EXPECT_EQ(Kinds({events.end() - 2, events.end()}), "status=cancelled result");
}

TEST_F(EventStreamTest, AFreshCancelledJobStillHasItsOutput) {
  Lease();
  Out("was here");
  Cancelled();
  const auto events = Read(*Open());
  EXPECT_EQ(Kinds(events), "stdout status=cancelled result");
  EXPECT_EQ(Output(events), "was here");
}

TEST_F(EventStreamTest, KeepsCharactersWhole) {
  Lease();
  const auto stream = Open();
  Read(*stream);
  std::string told;
  for (const char byte : std::string("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z")) {
    Out(std::string(1, byte));
    for (const Event& event : Read(*stream)) {
      EXPECT_EQ(event.data.at("encoding").as_string(), "utf8");
      told += event.data.at("data").as_string();
    }
  }
  EXPECT_EQ(told, "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z");
}

TEST_F(EventStreamTest, TellsACharacterWithoutItsEndAtTheEnd) {
  Lease();
  const auto stream = Open();
  Out("a\xE2\x82");
  EXPECT_EQ(Output(Read(*stream)), "a");
  Complete("a\xE2\x82");
  const auto events = Read(*stream);
  EXPECT_EQ(events[0].data.at("encoding").as_string(), "base64");
  EXPECT_EQ(Output(events, "stdout", 1), "\xE2\x82");
}

TEST_F(EventStreamTest, TellsBytesThatAreNoTextAtOnce) {
  Lease();
  const auto stream = Open();
  Read(*stream);
  Out("\xFF\xFE");
  EXPECT_EQ(Output(Read(*stream)), "\xFF\xFE");
  Out("\x80\x80\x80\x80");
  EXPECT_EQ(Output(Read(*stream), "stdout", 2), "\x80\x80\x80\x80");
}

TEST_F(EventStreamTest, TellsWhatTheStoreHasLost) {
  Lease();
  const auto stream = Open();
  Out("abc");
  Read(*stream);
  written_[0] += 10;
  Out("xyz");
  const auto events = Read(*stream);
  ASSERT_EQ(Kinds(events), "stdout");
  EXPECT_EQ(events[0].data.at("gap").as_int64(), 10);
  EXPECT_EQ(events[0].data.at("offset").as_int64(), 13);
  Out("!");
  EXPECT_FALSE(Read(*stream)[0].data.contains("gap"));
}

TEST_F(EventStreamTest, AnotherRunBeginsAnew) {
  Lease();
  const auto stream = Open();
  Out("first");
  Read(*stream);
  const uint64_t first = run_;
  now_ += base::kMinute;
  Lease();
  Out("second");
  auto events = Read(*stream);
  EXPECT_EQ(Kinds(events), "status=running stdout");
  EXPECT_EQ(Output(events), "second");
  // And who was away at that time learns it as well.
  events = Read(*Open({first, 5, 0}));
  EXPECT_EQ(Output(events), "second");
  Complete("second");
  EXPECT_EQ(Output(Read(*Open({first, 5, 0}))), "second");
}

TEST_F(EventStreamTest, EndsWhenTheJobIsGone) {
  const auto stream = Open();
  Lease();
  Complete("x");
  now_ += base::kHour;
  store_->Sweep([](auto) {});
  Run();
  Read(*stream);
  EXPECT_TRUE(stream->ended());
}

TEST_F(EventStreamTest, EndsEarly) {
  const auto stream = Open();
  bool told = false;
  stream->on_ready = [&] { told = true; };
  stream->End();
  EXPECT_TRUE(told);
  EXPECT_EQ(Kinds(Read(*stream)), "status=queued");
  EXPECT_TRUE(stream->ended());
  Lease();
  EXPECT_TRUE(Read(*stream).empty());
}

TEST_F(EventStreamTest, EndsWhereThereIsNoRoomForTheResultAndCanBeResumed) {
  const Budget budget(200'000);
  Budget::Share held(budget, "client");
  ASSERT_TRUE(held.Resize(75'000));
  Lease();
  const auto stream = Open({}, Budget::Share(budget, "client"));
  Out("x");
  EXPECT_EQ(Kinds(Read(*stream)), "status=running stdout");
  Complete(std::string(30'000, 'x'));
  EXPECT_TRUE(stream->ended());
  EXPECT_TRUE(Read(*stream).empty());
  EXPECT_EQ(budget.taken(), 75'000);
  const auto other = Open({run_, 1, 0}, Budget::Share(budget, "other"));
  const auto events = Read(*other);
  EXPECT_EQ(Output(events, "stdout", 1).size(), 29'999U);
  EXPECT_EQ(events.back().kind, "result");
  EXPECT_EQ(budget.taken(), 75'000);
}

TEST_F(EventStreamTest, EndsWhereThereIsNoRoomForTheResultAsTextAndCanBeResumed) {
  const Budget budget(100'000);
  Lease();
  const auto stream = Open({}, Budget::Share(budget, "client"));
  Complete(std::string(30'000, 'x'));
  const auto events = Read(*stream);
  EXPECT_EQ(Output(events).size(), 30'000U);
  EXPECT_EQ(events.back().kind, "stdout");  // the same again, as text of JSON, is too much
  EXPECT_TRUE(stream->ended());
  EXPECT_EQ(budget.taken(), 0);
}

// What a thousand readers of one job keep of its end is kept once, and handed out in pieces.
TEST_F(EventStreamTest, ManyStreamsTellOneEnd) {
  const Budget budget(1'000'000);
  Lease();
  std::vector<std::shared_ptr<EventStream>> streams;
  for (int i = 0; i < 50; ++i) {
    streams.push_back(Open({}, Budget::Share(budget, "client")));
  }
  Complete(std::string(200'000, 'x'));
  EXPECT_EQ(budget.taken(), 200'000);
  std::vector<std::string> texts(streams.size());
  for (bool more = true; more;) {
    more = false;
    for (size_t i = 0; i < streams.size(); ++i) {
      const std::string piece = streams[i]->Take();
      largest_ = std::max(largest_, piece.size());
      texts[i] += piece;
      more = more || !piece.empty();
    }
    EXPECT_LT(budget.taken(), 410'000);
  }
  EXPECT_LT(largest_, size_t{20} << 10);
  EXPECT_EQ(budget.taken(), 0);
  for (size_t i = 0; i < streams.size(); ++i) {
    EXPECT_TRUE(streams[i]->ended());
    EXPECT_TRUE(texts[i] == texts[0]);
  }
  EXPECT_TRUE(texts[0].ends_with("\n\n"));
  EXPECT_NE(texts[0].find("-end\ndata: {\"id\":"), std::string::npos);
}

TEST_F(EventStreamTest, DoesNotCallAServiceThatIsGone) {
  Lease();
  const auto stream = Open();
  Out(std::string(100'000, 'x'));
  *open_ = false;
  service_.reset();
  store_.reset();
  Run();
  Read(*stream);
  stream->End();
}

TEST_F(EventStreamTest, LeavesNothingBehind) {
  Lease();
  std::weak_ptr<EventStream> weak;
  {
    const auto stream = Open();
    Out("x");
    weak = stream;
  }
  Run();
  EXPECT_TRUE(weak.expired());
}

}  // namespace
}  // namespace http
