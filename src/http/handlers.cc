#include "http/handlers.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <utility>

#include "base/fingerprint.h"
#include "base/metrics.h"
#include "base/text.h"
#include "http/assets.h"
#include "http/events.h"
#include "http/handshake.h"
#include "http/problem.h"
#include "job/json.h"

namespace http {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

json::array JsonTexts(const std::vector<std::string>& texts) {
  json::array out;
  for (const std::string& text : texts) {
    out.push_back(json::value(JsonText(text)));
  }
  return out;
}

Response Json(int status, std::string body) {
  return {status, "application/json", {}, std::move(body)};
}

Response AcceptedResponse(const job::Job& job) {
  Response response = Json(202, job::ToAcceptedJson(job));
  response.headers.emplace_back("Location", "/v1/execute/" + job.id);
  return response;
}

// What the query of GET /v1/execute asks for; errors are added to `errors`.
job::ListQuery ReadListQuery(const Params& params, std::vector<job::FieldError>* errors) {
  job::ListQuery query;
  for (const auto& [name, value] : params) {
    if (name == "language") {
      query.language = value;
    } else if (name == "cursor") {
      query.cursor = value;
    } else if (name == "status") {
      query.status = job::ParseStatus(value);
      if (!query.status) {
        errors->push_back({name, "must be one of: queued, running, completed, failed, cancelled"});
      }
    } else if (name == "since") {
      const base::Result<base::Nanos> since = base::ParseRfc3339(value);
      if (since) {
        query.since = *since;
      } else {
        errors->push_back({name, since.error().message});
      }
    } else if (name == "limit") {
      const char* const end = value.data() + value.size();
      const auto [rest, error] = std::from_chars(value.data(), end, query.limit);
      if (error != std::errc() || rest != end || query.limit < 1 ||
          query.limit > job::kMaxListLimit) {
        errors->push_back({name, "must be 1 to " + std::to_string(job::kMaxListLimit)});
      }
    }
  }
  return query;
}

json::array Containers(const std::vector<ContainerHealth>& containers) {
  json::array out;
  for (const ContainerHealth& c : containers) {
    json::object item;
    item["name"] = JsonText(c.name);
    item["languages"] = JsonTexts(c.languages);
    item["state"] = JsonText(c.state);
    item["slots"] = c.slots;
    item["running"] = c.running;
    if (!c.error.empty()) {
      item["error"] = JsonText(c.error);
    }
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace

// One client waiting for one job. Keeps itself alive through the callbacks that it has out.
class Handlers::Wait : public std::enable_shared_from_this<Handlers::Wait> {
 public:
  Wait(std::shared_ptr<Handlers> handlers, std::string id, service::Caller caller,
       std::shared_ptr<Exchange> exchange, Outcome outcome)
      : handlers_(std::move(handlers)),
        id_(std::move(id)),
        caller_(std::move(caller)),
        exchange_(std::move(exchange)),
        outcome_(std::move(outcome)),
        timer_(handlers_->loop_) {
    handlers_->waits_.insert(this);
  }

  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  ~Wait() { handlers_->waits_.erase(this); }

  // `end`: the job's, where it is known to be open until that tells of its end; else null.
  void Start(base::Nanos wait, std::shared_ptr<service::Service::EndWatch> end) {
    const std::weak_ptr<Wait> weak = weak_from_this();
    over_ = exchange_->cancelled;
    exchange_->cancel = [weak] {
      if (const auto self = weak.lock()) {
        self->End();
      }
    };
    timer_.expires_after(std::chrono::nanoseconds(wait));
    timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
      if (!error) {
        self->End();
      }
    });
    // The watch comes before the first look, so that no change falls between the two.
    const bool known = end != nullptr;
    watch_ = known ? std::move(end) : handlers_->service_.WatchEnd(id_);
    watch_->on_end = [weak] {
      if (const auto self = weak.lock()) {
        self->Look();
      }
    };
    exchange_->on_waiting();
    if (!known || watch_->ended || watch_->job || over_) {
      Look();
    }
  }

  // Lets go of the service; the exchange stays unanswered.
  void Abandon() {
    timer_.cancel();
    watch_.reset();
    outcome_ = nullptr;
  }

 private:
  void End() {
    over_ = true;
    Look();
  }

  void Look() {
    if (looking_) {
      again_ = true;
      return;
    }
    if (!outcome_ || handlers_->closed_) {
      return;
    }
    looking_ = true;
    again_ = false;
    handlers_->service_.Get(
        *watch_, caller_,
        [self = shared_from_this()](std::shared_ptr<const job::Job> job, service::Refusal refusal) {
          self->looking_ = false;
          self->OnLooked(std::move(job), std::move(refusal));
        });
  }

  void OnLooked(std::shared_ptr<const job::Job> job, service::Refusal refusal) {
    if (!outcome_) {
      return;
    }
    if (job && !job::IsFinal(job->status) && !over_) {
      if (again_) {
        Look();
      }
      return;
    }
    // Let go of everything first: the outcome may lead to the end of the connection.
    timer_.cancel();
    watch_.reset();
    exchange_->cancel = [] {};
    const Outcome outcome = std::exchange(outcome_, nullptr);
    outcome(std::move(job), std::move(refusal));
  }

  std::shared_ptr<Handlers> handlers_;
  std::string id_;
  service::Caller caller_;
  std::shared_ptr<Exchange> exchange_;
  Outcome outcome_;
  asio::steady_timer timer_;
  std::shared_ptr<service::Service::EndWatch> watch_;
  bool looking_ = false;
  bool again_ = false;  // something changed while looking
  bool over_ = false;
};

Handlers::Handlers(asio::io_context& loop, Limits limits, HealthInfo health,
                   service::Service& service, SessionSource sessions)
    : loop_(loop),
      limits_(std::move(limits)),
      health_(std::move(health)),
      service_(service),
      sessions_(std::move(sessions)),
      lobby_(limits_.sessions) {
  service_.keys().OnRevoked([this](const job::Key& key) { access_.End(key); });
}

void Handlers::Close() {
  closed_ = true;
  service_.keys().OnRevoked(nullptr);
  *open_ = false;
  for (Wait* const wait : std::vector<Wait*>(waits_.begin(), waits_.end())) {
    wait->Abandon();
  }
}

// A worker serves little.
std::optional<Response> Handlers::OfOtherRole(Endpoint endpoint, const Request& request) const {
  const bool of_every_role = endpoint == Endpoint::kLive || endpoint == Endpoint::kHealth ||
                             endpoint == Endpoint::kReady || endpoint == Endpoint::kMetrics;
  if (health_.role != "worker" || of_every_role) {
    return std::nullopt;
  }
  return Problem(404, "this node is a worker and serves nothing but /health and /metrics",
                 request.id);
}

void Handlers::Handle(Endpoint endpoint, Request request, std::shared_ptr<Exchange> exchange) {
  if (std::optional<Response> refusal = OfOtherRole(endpoint, request)) {
    exchange->reply(*std::move(refusal));
    return;
  }
  access_.Follow(request.caller, request.id, exchange);
  switch (endpoint) {
    case Endpoint::kLive:
      exchange->reply(Json(200, R"({"status":"ok"})"));
      return;
    case Endpoint::kHealth:
      Health(true, request, std::move(exchange));
      return;
    case Endpoint::kReady:
      Health(false, request, std::move(exchange));
      return;
    case Endpoint::kLanguages:
      exchange->reply(Languages());
      return;
    case Endpoint::kMetrics:
      Metrics(request, std::move(exchange));
      return;
    case Endpoint::kOpenApi:
    case Endpoint::kDocs:
    case Endpoint::kDocsScript:
      exchange->reply(Asset(endpoint));
      return;
    case Endpoint::kExecute:
      Execute(std::move(request), std::move(exchange));
      return;
    case Endpoint::kBatch:
      Batch(std::move(request), std::move(exchange));
      return;
    case Endpoint::kGetJob:
      GetJob(std::move(request), std::move(exchange));
      return;
    case Endpoint::kCancel:
      CancelJob(std::move(request), std::move(exchange));
      return;
    case Endpoint::kList:
      ListJobs(request, std::move(exchange));
      return;
    case Endpoint::kFile:
      GetFile(std::move(request), std::move(exchange));
      return;
    case Endpoint::kEvents:
      Events(std::move(request), std::move(exchange));
      return;
    case Endpoint::kCreateKey:
      CreateKey(request, std::move(exchange));
      return;
    case Endpoint::kListKeys:
      ListKeys(request, std::move(exchange));
      return;
    case Endpoint::kRevokeKey:
      RevokeKey(std::move(request), std::move(exchange));
      return;
    case Endpoint::kInteractive:  // with HEAD; for GET there is Upgrade
      exchange->reply(UpgradeRequired(request.id));
      return;
  }
}

void Handlers::Health(bool details, const Request& request, std::shared_ptr<Exchange> exchange) {
  service_.Stats([self = shared_from_this(), details, request_id = request.id,
                  exchange = std::move(exchange)](base::Result<job::StoreStats> stats) {
    if (stats && self->health_.role != "worker" && !self->closed_ &&
        !self->service_.keys().required()) {
      stats = base::Error{base::ErrorKind::kUnavailable, "it has not told its keys yet", 0};
    }
    if (!stats) {
      std::string detail = "the job store is unavailable";
      if (stats.error().kind == base::ErrorKind::kUnavailable) {
        detail += ": " + stats.error().message;
      }
      const service::Refusal refusal{service::Refusal::Kind::kUnavailable, std::move(detail), {}};
      exchange->reply(Problem(refusal, request_id));
      return;
    }
    json::object body;
    body["status"] = "ok";
    if (details) {
      body["version"] = JsonText(self->health_.version);
      body["isolation"] = JsonText(self->health_.isolation);
      json::array not_limited;
      for (const std::string& what : self->health_.not_limited) {
        not_limited.emplace_back(JsonText(what));
      }
      body["not_limited"] = std::move(not_limited);
      body["quarantined"] = self->health_.quarantined ? self->health_.quarantined() : 0;
      body["store"] = JsonText(self->health_.store);
      body["backend"] = JsonText(self->health_.backend);
      body["role"] = JsonText(self->health_.role);
      body["queued"] = stats->queued;
      body["running"] = stats->running;
      json::object languages;
      if (!self->closed_) {
        for (const language::Language& l : self->service_.languages().all()) {
          if (l.available) {
            languages[l.id] = JsonText(l.version);
          }
        }
      }
      body["languages"] = std::move(languages);
      if (self->health_.containers && !self->closed_) {
        body["containers"] = Containers(self->health_.containers());
      }
    }
    exchange->reply(Json(200, json::serialize(body)));
  });
}

void Handlers::Metrics(const Request& request, std::shared_ptr<Exchange> exchange) {
  if (!health_.metrics_for_all && !request.from_here) {
    const service::Refusal refusal{
        service::Refusal::Kind::kNotFound,
        "metrics are for clients on the service's machine; HTTP_METRICS opens them",
        {}};
    exchange->reply(Problem(refusal, request.id));
    return;
  }
  service_.Stats([self = shared_from_this(),
                  exchange = std::move(exchange)](base::Result<job::StoreStats> stats) {
    static base::Gauge up("sandbox_store_up", "Whether the job store answers.");
    static base::Gauge jobs("sandbox_jobs", "Jobs in the store that have no outcome yet.",
                            {"status"});
    static base::Gauge waiting("sandbox_http_waiting", "Requests that wait for a job's end.");
    static base::Gauge interactive("sandbox_http_interactive", "Interactive connections.");
    static base::Gauge quarantined("sandbox_quarantined", "Sandboxes that could not be emptied.");
    up.Set({}, stats ? 1 : 0);
    if (stats) {
      jobs.Set({"queued"}, static_cast<double>(stats->queued));
      jobs.Set({"running"}, static_cast<double>(stats->running));
    }
    waiting.Set({}, static_cast<double>(self->waiters()));
    interactive.Set({}, self->lobby_.taken());
    quarantined.Set({}, self->health_.quarantined ? self->health_.quarantined() : 0);
    auto answer = [exchange] {
      exchange->reply({200, "text/plain; version=0.0.4; charset=utf-8", {}, base::MetricsText()});
    };
    if (self->health_.freshen_metrics && !self->closed_) {
      self->health_.freshen_metrics(std::move(answer));
    } else {
      answer();
    }
  });
}

Response Handlers::Languages() const {
  json::array list;
  for (const language::Language& l : service_.languages().all()) {
    json::object item;
    item["id"] = JsonText(l.id);
    item["name"] = JsonText(l.name);
    item["aliases"] = JsonTexts(l.aliases);
    item["available"] = l.available;
    if (l.available) {
      item["version"] = JsonText(l.version);
    } else {
      item["unavailable_reason"] = JsonText(l.unavailable_reason);
    }
    item["install"] = JsonText(l.install);
    item["extensions"] = JsonTexts(l.extensions);
    item["sample"] = JsonText(l.sample);
    list.push_back(std::move(item));
  }
  json::object body;
  body["languages"] = std::move(list);
  Response response = Json(200, json::serialize(body));
  base::Fingerprint state;
  state.Add(response.body);
  response.etag = state.Hex();
  return response;
}

void Handlers::StartWait(std::string id, service::Caller caller, base::Nanos wait,
                         std::shared_ptr<service::Service::EndWatch> end,
                         std::shared_ptr<Exchange> exchange, Outcome outcome) {
  std::make_shared<Wait>(shared_from_this(), std::move(id), std::move(caller), std::move(exchange),
                         std::move(outcome))
      ->Start(std::min(wait, limits_.max_wait), std::move(end));
}

void Handlers::ReplyDurably(Response response, const std::string& request_id,
                            const std::shared_ptr<Exchange>& exchange) {
  service_.Sync([exchange, request_id,
                 response = std::move(response)](const std::optional<service::Refusal>& refusal) {
    exchange->reply(refusal ? Problem(*refusal, request_id) : response);
  });
}

void Handlers::Execute(Request request, std::shared_ptr<Exchange> exchange) {
  service_.Submit(
      request.body, request.caller, request.idempotency_key,
      [self = shared_from_this(), request_id = request.id, caller = request.caller,
       exchange = std::move(exchange)](std::optional<service::Service::Accepted> accepted,
                                       const service::Refusal& refusal,
                                       const service::Service::RateLeft& left) {
        TellRate(caller, left, exchange.get());
        if (!accepted) {
          exchange->reply(Problem(refusal, request_id));
          return;
        }
        if (accepted->wait <= 0) {
          exchange->reply(AcceptedResponse(accepted->job));
          return;
        }
        // The job is taken: whatever stops the wait, the client must learn the id.
        if (self->closed_ || self->waits_.size() >= self->limits_.max_waiters) {
          self->ReplyDurably(AcceptedResponse(accepted->job), request_id, exchange);
          return;
        }
        std::string id = accepted->job.id;
        self->StartWait(std::move(id), caller, accepted->wait, std::move(accepted->end), exchange,
                        [self, exchange, request_id, first = accepted->job](
                            const std::shared_ptr<const job::Job>& job, const service::Refusal&) {
                          if (!job || !job::IsFinal(job->status)) {
                            self->ReplyDurably(AcceptedResponse(job ? *job : first), request_id,
                                               exchange);
                            return;
                          }
                          Response response = Json(200, job::ToPublicJson(*job));
                          response.headers.emplace_back("Location", "/v1/execute/" + job->id);
                          exchange->reply(std::move(response));
                        });
      });
}

void Handlers::GetJob(Request request, std::shared_ptr<Exchange> exchange) {
  base::Nanos wait = 0;
  for (const auto& [name, value] : request.query) {  // only `wait`: the route accepts no other
    const base::Result<base::Nanos> parsed = base::ParseDuration(value);
    if (!parsed || *parsed > limits_.max_wait) {
      const std::string message =
          "must be a duration such as \"5s\" of at most " + base::FormatDuration(limits_.max_wait);
      const std::vector<job::FieldError> errors{job::FieldError{name, message}};
      exchange->reply(Problem(422, "a query parameter is not valid", request.id, errors));
      return;
    }
    wait = *parsed;
  }
  if (wait > 0 && waits_.size() >= limits_.max_waiters) {
    const service::Refusal refusal{
        service::Refusal::Kind::kUnavailable, "too many clients are waiting, try again later", {}};
    exchange->reply(Problem(refusal, request.id));
    return;
  }
  Outcome outcome = [exchange, request_id = request.id](const std::shared_ptr<const job::Job>& job,
                                                        const service::Refusal& refusal) {
    exchange->reply(job ? Json(200, job::ToPublicJson(*job)) : Problem(refusal, request_id));
  };
  if (wait > 0) {
    StartWait(std::move(request.path_param), std::move(request.caller), wait, nullptr,
              std::move(exchange), std::move(outcome));
  } else {
    service_.Get(std::move(request.path_param), request.caller, std::move(outcome));
  }
}

void Handlers::CancelJob(Request request, std::shared_ptr<Exchange> exchange) {
  service_.Cancel(
      std::move(request.path_param), request.caller,
      [exchange = std::move(exchange), request_id = request.id](std::optional<job::Job> job,
                                                                const service::Refusal& refusal) {
        exchange->reply(job ? Json(200, job::ToPublicJson(*job)) : Problem(refusal, request_id));
      });
}

void Handlers::ListJobs(const Request& request, std::shared_ptr<Exchange> exchange) {
  std::vector<job::FieldError> errors;
  job::ListQuery query = ReadListQuery(request.query, &errors);
  if (!errors.empty()) {
    exchange->reply(Problem(422, "a query parameter is not valid", request.id, errors));
    return;
  }
  service_.List(std::move(query), request.caller,
                [exchange = std::move(exchange), request_id = request.id](
                    std::optional<job::ListPage> page, const service::Refusal& refusal) {
                  exchange->reply(page ? Json(200, job::ToListJson(page->jobs, page->next_cursor))
                                       : Problem(refusal, request_id));
                });
}

void Handlers::GetFile(Request request, std::shared_ptr<Exchange> exchange) {
  service_.Get(std::move(request.path_param), request.caller,
               [exchange = std::move(exchange), request_id = request.id, path = request.file_path](
                   const std::shared_ptr<const job::Job>& job, const service::Refusal& refusal) {
                 if (!job) {
                   exchange->reply(Problem(refusal, request_id));
                   return;
                 }
                 if (job->result) {
                   for (const job::OutputFile& file : job->result->files) {
                     if (file.path == path && file.error.empty()) {
                       Response response{200, "application/octet-stream", {}, file.content};
                       // A program made it: browsers are to keep it and not to look at what it
                       // might be.
                       response.headers.emplace_back("Content-Disposition", "attachment");
                       response.headers.emplace_back("X-Content-Type-Options", "nosniff");
                       exchange->reply(std::move(response));
                       return;
                     }
                   }
                 }
                 exchange->reply(Problem(404, "the job has no such file", request_id));
               });
}

void Handlers::Events(Request request, std::shared_ptr<Exchange> exchange) {
  EventId last;
  if (!request.last_event_id.empty()) {
    const std::optional<EventId> parsed = ParseEventId(request.last_event_id);
    if (!parsed) {
      const std::vector<job::FieldError> errors{
          job::FieldError{"Last-Event-ID", "must be the id of an event of this stream"}};
      exchange->reply(Problem(422, "a header field is not valid", request.id, errors));
      return;
    }
    last = *parsed;
  }
  const auto stream = std::make_shared<EventStream>(
      loop_, service_, open_, request.path_param, request.caller, last.position,
      Budget::Share(limits_.budget, request.caller.tenant));
  stream->Watch();
  service_.Get(
      std::move(request.path_param), request.caller,
      [stream, exchange = std::move(exchange), at_end = last.at_end, request_id = request.id](
          std::shared_ptr<const job::Job> job, const service::Refusal& refusal) {
        if (!job) {
          exchange->reply(Problem(refusal, request_id));
          return;
        }
        if (at_end) {
          exchange->reply({204, "", {}, ""});  // tells browsers not to come again
          return;
        }
        Response response{200, "text/event-stream", {}, "", stream};
        response.headers.emplace_back("X-Accel-Buffering", "no");
        if (exchange->cancelled) {
          stream->End();
        }
        exchange->cancel = [weak = std::weak_ptr<EventStream>(stream)] {
          if (const auto self = weak.lock()) {
            self->End();
          }
        };
        exchange->reply(std::move(response));
        if (!exchange->cancelled) {
          stream->Begin(std::move(job));
        }
      });
}

}  // namespace http
