#include "http/batch.h"

#include <utility>

#include "http/handlers.h"
#include "http/problem.h"
#include "job/json.h"

namespace http {
namespace {

std::string JobItem(const std::string& job) {
  return R"({"job":)" + job + "}";
}

}  // namespace

BatchAnswer::BatchAnswer(const std::vector<service::Service::BatchOutcome>& outcomes,
                         std::string_view request_id) {
  for (const service::Service::BatchOutcome& outcome : outcomes) {
    if (outcome.job) {
      open_.push_back(items_.size());
      items_.push_back(JobItem(job::ToSummaryJson(*outcome.job)));
    } else {
      items_.push_back(R"({"error":)" + Problem(outcome.refusal, request_id).body + "}");
    }
  }
  pending_ = open_.size();
}

void BatchAnswer::Set(size_t place, const job::Job& job) {
  std::string text = job::ToPublicJson(job);
  if (job.result && results_ + text.size() > kMaxResults) {
    text = job::ToSummaryJson(job);
  } else if (job.result) {
    results_ += text.size();
  }
  items_[place] = JobItem(text);
  pending_ -= job::IsFinal(job.status) ? 1 : 0;
}

Response BatchAnswer::Take() {
  std::string body = R"({"jobs":[)";
  for (std::string& item : items_) {
    body += body.back() == '[' ? "" : ",";
    body += std::exchange(item, {});
  }
  return {pending_ == 0 ? 200 : 202, "application/json", {}, body + "]}"};
}

void Handlers::Batch(Request request, std::shared_ptr<Exchange> exchange) {
  service_.SubmitBatch(
      request.body, request.caller,
      [self = shared_from_this(), request_id = request.id, caller = request.caller,
       exchange = std::move(exchange)](std::optional<service::Service::Batch> batch,
                                       const service::Refusal& refusal,
                                       const service::Service::RateLeft& left) {
        TellRate(caller, left, exchange.get());
        if (!batch) {
          exchange->reply(Problem(refusal, request_id));
          return;
        }
        self->WaitForBatch(*batch, caller, request_id, exchange);
      });
}

// One wait for each job, all on exchanges of their own: the first that matters for the client is
// the last of them.
void Handlers::WaitForBatch(const service::Service::Batch& batch, const service::Caller& caller,
                            const std::string& request_id,
                            const std::shared_ptr<Exchange>& exchange) {
  const auto answer = std::make_shared<BatchAnswer>(batch.jobs, request_id);
  const std::vector<size_t>& open = answer->open();
  if (open.empty() || batch.wait <= 0) {
    exchange->reply(answer->Take());
    return;
  }
  // The jobs are taken: whatever stops the wait, the client must learn their ids.
  if (closed_ || waits_.size() + open.size() > limits_.max_waiters) {
    ReplyDurably(answer->Take(), request_id, exchange);
    return;
  }
  const auto left = std::make_shared<size_t>(open.size());
  const auto waits = std::make_shared<std::vector<std::shared_ptr<Exchange>>>();
  for (size_t i = 0; i < open.size(); ++i) {
    waits->push_back(std::make_shared<Exchange>());
    waits->back()->cancelled = exchange->cancelled;
  }
  exchange->cancel = [waits] {
    for (const std::shared_ptr<Exchange>& wait : *waits) {
      wait->cancelled = true;
      wait->cancel();
    }
  };
  exchange->on_waiting();
  for (size_t i = 0; i < open.size(); ++i) {
    StartWait(batch.jobs[open[i]].job->id, caller, batch.wait, batch.jobs[open[i]].end, (*waits)[i],
              [self = shared_from_this(), answer, left, exchange, request_id, place = open[i]](
                  const std::shared_ptr<const job::Job>& job, const service::Refusal&) {
                if (job) {
                  answer->Set(place, *job);
                }
                if (--*left > 0) {
                  return;
                }
                exchange->cancel = [] {};
                if (answer->pending() == 0) {
                  exchange->reply(answer->Take());
                } else {
                  self->ReplyDurably(answer->Take(), request_id, exchange);
                }
              });
  }
}

}  // namespace http
