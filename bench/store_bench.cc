// What the SQLite store's calls cost as its queue grows: store_bench FOLDER [QUEUED...]
//
// For each number of queued jobs (of 100 tenants) it prints the cost of a submit, and of a lease
// and a finish, in microseconds of one transaction's share (64 calls a transaction, as under load),
// and what the process's own memory grew by. One line of JSON for each number.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "base/time.h"
#include "store/sqlite_jobs.h"

namespace {

constexpr int kTenants = 100;
constexpr int kCalls = 6400;
constexpr int kBatch = 64;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "store_bench: %s\n", what.c_str());
  std::exit(1);  // NOLINT(concurrency-mt-unsafe): one thread
}

template <typename T>
T Must(base::Result<T> result) {
  if (!result) {
    Fail(result.error().message);
  }
  return std::move(*result);
}

void Must(const base::Result<void>& result) {
  if (!result) {
    Fail(result.error().message);
  }
}

int64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0;
  int64_t resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

job::Job MakeJob(int64_t number) {
  job::Job j;
  j.id = "job" + std::to_string(1'000'000'000'000'000'000 + number);
  j.tenant = "tenant" + std::to_string(number % kTenants);
  j.created_at = base::WallNow();
  j.submission.language = "python";
  j.submission.code = "print('hello')";
  return j;
}

class Bench {
 public:
  explicit Bench(const std::string& path) {
    std::fclose(std::fopen(path.c_str(), "ae"));
    job::StoreOptions options;
    options.max_queued = 1'000'000'000;
    jobs_ = Must(store::SqliteJobs::Open(path, options, base::WallNow));
  }

  void FillTo(int64_t queued) {
    while (jobs_->Stats().queued < queued) {
      Must(jobs_->Begin(true));
      for (int i = 0; i < 10'000 && jobs_->Stats().queued < queued; ++i) {
        Must(jobs_->Submit(MakeJob(++last_), job::Durability::kAtOnce));
      }
      Must(jobs_->Commit());
    }
  }

  // Submits as many as it leases and finishes, so that the queue stays as long as it is.
  void Measure(int64_t queued) {
    double submit = 0;
    double run = 0;
    for (int done = 0; done < kCalls; done += kBatch) {
      submit += Time([&] {
        for (int i = 0; i < kBatch; ++i) {
          Must(jobs_->Submit(MakeJob(++last_), job::Durability::kAtOnce));
        }
      });
      run += Time([&] {
        for (int i = 0; i < kBatch; ++i) {
          for (const job::Lease& lease : Must(jobs_->LeaseJobs("w", 1))) {
            job::Outcome outcome;
            outcome.result.emplace();
            Must(jobs_->Finish(lease.job.id, lease.token, outcome));
          }
        }
      });
    }
    std::printf(
        "{\"queued\": %lld, \"submit_us\": %.2f, \"lease_finish_us\": %.2f, \"memory_bytes\": "
        "%lld}\n",
        static_cast<long long>(queued), submit / kCalls, run / kCalls,
        static_cast<long long>(ResidentBytes() - memory_));
    std::fflush(stdout);
  }

 private:
  template <typename F>
  double Time(F calls) {
    const base::Nanos begin = base::MonotonicNow();
    Must(jobs_->Begin(true));
    calls();
    Must(jobs_->Commit());
    return static_cast<double>(base::MonotonicNow() - begin) / 1000;
  }

  const int64_t memory_ = ResidentBytes();
  std::unique_ptr<store::SqliteJobs> jobs_;
  int64_t last_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    Fail("usage: store_bench FOLDER [QUEUED...]");
  }
  Bench bench(std::string(argv[1]) + "/bench.db");
  std::vector<int64_t> sizes;
  for (int i = 2; i < argc; ++i) {
    sizes.push_back(std::strtoll(argv[i], nullptr, 10));
  }
  if (sizes.empty()) {
    sizes = {1000, 1'000'000};
  }
  std::sort(sizes.begin(), sizes.end());
  for (const int64_t size : sizes) {
    bench.FillTo(size);
    bench.Measure(size);
  }
  return 0;
}
