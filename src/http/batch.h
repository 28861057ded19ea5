#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "service/service.h"

namespace http {

// The answer to a batch, gathered while its jobs end: each in its place, as a job or as the problem
// that it was refused for. Results are told up to kMaxResults bytes together, in the order in which
// the jobs end; beyond that a job stands without its result. Single-threaded.
class BatchAnswer {
 public:
  static constexpr size_t kMaxResults = size_t{32} << 20;

  BatchAnswer(const std::vector<service::Service::BatchOutcome>& outcomes,
              std::string_view request_id);

  // Places of the jobs that are not final yet.
  const std::vector<size_t>& open() const { return open_; }

  // How many of them have no outcome yet.
  size_t pending() const { return pending_; }

  // The job at `place` as it is now.
  void Set(size_t place, const job::Job& job);

  // 200 when each job has ended or was refused, else 202.
  Response Take();

 private:
  std::vector<std::string> items_;
  std::vector<size_t> open_;
  size_t pending_ = 0;  // that are not final
  size_t results_ = 0;  // bytes
};

}  // namespace http
