#include "http/testing/fake_store.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace http {

namespace asio = boost::asio;

void FakeStore::Submit(job::Job job, job::Durability durability, Callback<void> done) {
  base::Result<void> result;
  if (error) {
    result = *error;
  } else {
    jobs[job.id] = job;
    durable = durable && durability == job::Durability::kAtOnce;
  }
  asio::post(loop_, [done, result] { done(result); });
}

void FakeStore::Sync(Callback<void> done) {
  base::Result<void> result;
  if (sync_error) {
    result = *sync_error;
  } else {
    durable = true;
  }
  asio::post(loop_, [done, result] { done(result); });
}

void FakeStore::Get(std::string id, Callback<job::Job> done) {
  base::Result<job::Job> result = base::Error{base::ErrorKind::kNotFound, "no job", 0};
  if (error) {
    result = *error;
  } else if (const auto it = jobs.find(id); it != jobs.end()) {
    result = it->second;
  }
  asio::post(loop_, [done, result] { done(result); });
}

void FakeStore::Stats(Callback<job::StoreStats> done) {
  base::Result<job::StoreStats> result = job::StoreStats{static_cast<int64_t>(jobs.size()), 0};
  if (error) {
    result = *error;
  }
  asio::post(loop_, [done, result] { done(result); });
}

}  // namespace http
