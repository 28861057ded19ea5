// What every store promises of output while it is produced.
#include <string>

#include "store/store_test_base.h"

namespace store {
namespace {

using sandbox::Stream;

class OutputContract : public StoreTest {
 protected:
  // What one watcher has been told, checked as it comes.
  struct Heard {
    job::OutputPosition at;
    std::string out;
    std::string err;
    std::string order;  // of the streams
    int restarts = 0;
    job::Store::WatchHandle handle;
  };

  void Watch(Heard& heard, job::OutputPosition from = {}) {
    heard.at = from;
    heard.handle = other().WatchOutput("a", from, [&heard](const job::OutputChunk& chunk) {
      EXPECT_FALSE(chunk.data.empty());
      ASSERT_GE(chunk.run, heard.at.run) << "runs must not go back";
      if (chunk.run > heard.at.run) {
        heard.restarts += heard.at.run == 0 ? 0 : 1;
        heard.at = {chunk.run, 0, 0};
        heard.out.clear();
        heard.err.clear();
      }
      const bool is_out = chunk.stream == Stream::kStdout;
      int64_t& offset = is_out ? heard.at.stdout_offset : heard.at.stderr_offset;
      EXPECT_EQ(chunk.offset, offset) << "a gap or a duplicate";
      offset = chunk.offset + static_cast<int64_t>(chunk.data.size());
      (is_out ? heard.out : heard.err) += chunk.data;
      heard.order += is_out ? 'o' : 'e';
    });
  }

  bool Until(const std::function<bool()>& done) { return loop_.RunUntil(done); }

  bool UntilOut(const Heard& heard, const std::string& out) {
    return Until([&] { return heard.out == out; });
  }

  // A worker's side of one run.
  struct Writer {
    job::Store* store;
    uint64_t run;
    int64_t ends[2] = {0, 0};

    void Write(Stream stream, std::string data) {
      int64_t& end = ends[stream == Stream::kStdout ? 0 : 1];
      const auto size = static_cast<int64_t>(data.size());
      store->Publish("a", {run, stream, end, std::move(data)});
      end += size;
    }

    void Out(std::string data) { Write(Stream::kStdout, std::move(data)); }

    void Err(std::string data) { Write(Stream::kStderr, std::move(data)); }
  };

  Writer WriterOf(const job::Lease& lease) { return {store_.get(), lease.token}; }

  // Nothing more comes: what a later watcher hears of came after it.
  void Settle() {
    Heard last;
    Watch(last);
    ExpectStats(0, 0);
  }
};

INSTANTIATE_TEST_SUITE_P(All, OutputContract, testing::ValuesIn(StoreKinds()),
                         [](const auto& test) { return test.param; });

TEST_P(OutputContract, AWatcherFromBeforeTheStartHearsAll) {
  ASSERT_TRUE(Submit("a").has_value());
  Heard heard;
  Watch(heard);
  Writer writer = WriterOf(LeaseOne());
  writer.Out("one ");
  writer.Err("oops");
  ASSERT_TRUE(Until([&] { return heard.err == "oops"; }));
  writer.Out("two");
  ASSERT_TRUE(UntilOut(heard, "one two"));
  EXPECT_EQ(heard.order, "oeo");
  EXPECT_EQ(heard.at.run, writer.run);
}

TEST_P(OutputContract, ALateWatcherHearsWhatWasAndWhatComes) {
  ASSERT_TRUE(Submit("a").has_value());
  Writer writer = WriterOf(LeaseOne());
  writer.Out("before ");
  writer.Err("bad");
  Heard heard;
  Watch(heard);
  writer.Out("after");
  ASSERT_TRUE(UntilOut(heard, "before after"));
  EXPECT_EQ(heard.err, "bad");
}

TEST_P(OutputContract, AWatcherGoesOnWhereItWas) {
  ASSERT_TRUE(Submit("a").has_value());
  Writer writer = WriterOf(LeaseOne());
  writer.Out("0123456789");
  writer.Err("abc");
  Heard heard;
  Watch(heard, {writer.run, 4, 3});
  ASSERT_TRUE(UntilOut(heard, "456789"));
  writer.Err("d");
  writer.Out("x");
  ASSERT_TRUE(UntilOut(heard, "456789x"));
  EXPECT_EQ(heard.err, "d");
}

TEST_P(OutputContract, TwoWatchersHearTheSame) {
  ASSERT_TRUE(Submit("a").has_value());
  Heard one;
  Watch(one);
  Writer writer = WriterOf(LeaseOne());
  writer.Out("x");
  ASSERT_TRUE(UntilOut(one, "x"));
  Heard two;
  Watch(two);
  writer.Out("y");
  ASSERT_TRUE(UntilOut(one, "xy"));
  ASSERT_TRUE(UntilOut(two, "xy"));
  one.handle.reset();
  writer.Out("z");
  ASSERT_TRUE(UntilOut(two, "xyz"));
  EXPECT_EQ(one.out, "xy");
}

TEST_P(OutputContract, LargeOutputArrivesWholeAndInOrder) {
  ASSERT_TRUE(Submit("a").has_value());
  Heard early;
  Watch(early);
  Writer writer = WriterOf(LeaseOne());
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    std::string piece = std::to_string(i) + std::string(static_cast<size_t>(i % 700), 'x') + "\n";
    expected += piece;
    writer.Out(std::move(piece));
  }
  ASSERT_TRUE(Until([&] { return early.out.size() == expected.size(); }));
  EXPECT_TRUE(early.out == expected);
  Heard late;
  Watch(late);
  ASSERT_TRUE(Until([&] { return late.out.size() == expected.size(); }));
  EXPECT_TRUE(late.out == expected);
}

TEST_P(OutputContract, AnotherAttemptBeginsAnew) {
  ASSERT_TRUE(Submit("a").has_value());
  Heard heard;
  Watch(heard);
  Writer first = WriterOf(LeaseOne());
  first.Out("first attempt");
  ASSERT_TRUE(UntilOut(heard, "first attempt"));
  now_ += options_.lease_time;
  Writer second = WriterOf(LeaseOne());
  EXPECT_GT(second.run, first.run);
  second.Out("second");
  ASSERT_TRUE(UntilOut(heard, "second"));
  EXPECT_EQ(heard.restarts, 1);
  first.Out(" too late");
  second.Out("!");
  ASSERT_TRUE(UntilOut(heard, "second!"));
  Heard resumed;
  Watch(resumed, {first.run, 5, 0});
  ASSERT_TRUE(UntilOut(resumed, "second!"));
}

TEST_P(OutputContract, AReleasedJobBeginsAnewToo) {
  ASSERT_TRUE(Submit("a").has_value());
  Heard heard;
  Watch(heard);
  const job::Lease lease = LeaseOne();
  Writer first = WriterOf(lease);
  first.Out("first");
  ASSERT_TRUE(UntilOut(heard, "first"));
  ASSERT_TRUE(Release(lease).has_value());
  const job::Lease again = LeaseOne();
  EXPECT_EQ(again.job.attempts, lease.job.attempts);
  Writer second = WriterOf(again);
  second.Out("again");
  ASSERT_TRUE(UntilOut(heard, "again"));
  EXPECT_EQ(heard.restarts, 1);
}

TEST_P(OutputContract, AllOutputIsToldBeforeTheEnd) {
  ASSERT_TRUE(Submit("a").has_value());
  Heard heard;
  Watch(heard);
  int changes = 0;
  std::string at_the_change;
  const auto watch = other().Watch("a", job::Store::Watched::kChanges, [&] {
    ++changes;
    at_the_change = heard.out;
  });
  const job::Lease lease = LeaseOne();
  ASSERT_TRUE(Until([&] { return changes == 1; }));  // it runs; the next change is its end
  Writer writer = WriterOf(lease);
  writer.Out("the last words");
  ASSERT_TRUE(Finish(lease).has_value());
  ASSERT_TRUE(Until([&] { return changes == 2; }));
  EXPECT_EQ(at_the_change, "the last words");
}

TEST_P(OutputContract, OutputStaysForAWhileAfterTheEnd) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lease = LeaseOne();
  Writer writer = WriterOf(lease);
  writer.Out("still here");
  ASSERT_TRUE(Finish(lease).has_value());
  now_ += job::kOutputRetention - 1;
  Sweep();
  Heard soon;
  Watch(soon);
  ASSERT_TRUE(UntilOut(soon, "still here"));
  writer.Out(" ignored");
  now_ += 1;
  Sweep();
  Heard late;
  Watch(late);
  Settle();
  EXPECT_EQ(late.out, "");
  EXPECT_EQ(soon.out, "still here");
}

TEST_P(OutputContract, WhatIsNotLeasedHasNoOutput) {
  ASSERT_TRUE(Submit("a").has_value());
  Heard heard;
  Watch(heard);
  Writer nobody{store_.get(), 1};
  nobody.Out("not leased");
  const job::Lease lease = LeaseOne();
  Writer wrong{store_.get(), lease.token + 1};
  wrong.Out("not this lease");
  Writer writer = WriterOf(lease);
  writer.Out("leased");
  ASSERT_TRUE(UntilOut(heard, "leased"));
  EXPECT_EQ(heard.order, "o");
}

TEST_P(OutputContract, AnyBytesArePassedOn) {
  ASSERT_TRUE(Submit("a").has_value());
  Heard heard;
  Watch(heard);
  std::string all;
  for (int i = 0; i < 256; ++i) {
    all += static_cast<char>(i);
  }
  Writer writer = WriterOf(LeaseOne());
  writer.Out(all);
  ASSERT_TRUE(UntilOut(heard, all));
}

TEST_P(OutputContract, AListenerMayEndItsWatch) {
  ASSERT_TRUE(Submit("a").has_value());
  Writer writer = WriterOf(LeaseOne());
  writer.Out("1");
  writer.Err("2");
  writer.Out("3");
  int calls = 0;
  job::Store::WatchHandle handle;
  handle = other().WatchOutput("a", {}, [&](const job::OutputChunk&) {
    ++calls;
    handle.reset();
  });
  Heard heard;
  Watch(heard);
  ASSERT_TRUE(UntilOut(heard, "13"));
  EXPECT_EQ(calls, 1);
}

TEST_P(OutputContract, AListenerIsNotCalledFromWithinACall) {
  ASSERT_TRUE(Submit("a").has_value());
  Writer writer = WriterOf(LeaseOne());
  Heard heard;
  writer.Out("x");
  Watch(heard);
  EXPECT_EQ(heard.out, "");
  ASSERT_TRUE(UntilOut(heard, "x"));
  writer.Out("y");
  EXPECT_EQ(heard.out, "x");
  ASSERT_TRUE(UntilOut(heard, "xy"));
}

TEST_P(OutputContract, WhatIsKnownIsToldBeforeALaterAnswer) {
  ASSERT_TRUE(Submit("a").has_value());
  const job::Lease lease = LeaseOne();
  Writer writer = WriterOf(lease);
  writer.Out("known");
  ASSERT_TRUE(Finish(lease).has_value());
  for (int i = 0; i < 50; ++i) {
    Heard heard;
    loop_.post()([&] { Watch(heard); });
    std::optional<std::string> at_the_answer;
    loop_.post()([&] { store_->Get("a", [&](auto) { at_the_answer = heard.out; }); });
    ASSERT_TRUE(Until([&] { return at_the_answer.has_value(); }));
    ASSERT_TRUE(UntilOut(heard, "known"));
    if (!kind_->shared()) {  // else the other node's answer may take longer
      EXPECT_EQ(*at_the_answer, "known");
    }
  }
}

TEST_P(OutputContract, AHandleMayOutliveTheStore) {
  ASSERT_TRUE(Submit("a").has_value());
  Writer writer = WriterOf(LeaseOne());
  writer.Out("x");
  Heard heard;
  Watch(heard);
  store_.reset();
  other_.reset();
  bool last = false;
  loop_.post()([&] { last = true; });
  ASSERT_TRUE(Until([&] { return last; }));
  EXPECT_EQ(heard.out, "");
  heard.handle.reset();
}

}  // namespace
}  // namespace store
