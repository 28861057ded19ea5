#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "store/sqlite_connection.h"

// The tables of the SQLite store and the queries whose cost must not grow with the queue.
namespace store {

constexpr int64_t kSchemaVersion = 3;

// Sets the connection up and brings the database to kSchemaVersion, in one transaction. An error
// when the database is newer.
base::Result<void> PrepareDatabase(Connection& db);

// Sets up a connection that only reads the database, which is prepared.
base::Result<void> PrepareReading(Connection& db);

// Changes nothing: kConflict unless the database has kSchemaVersion.
base::Result<void> CheckDatabase(Connection& db);

// The tenant whose turn it is.
constexpr std::string_view kNextTurn = "SELECT turn, tenant FROM turns ORDER BY turn LIMIT 1";

// The first of a tenant's queued jobs.
constexpr std::string_view kNextJob =
    "SELECT id, created_at, attempts, submission FROM jobs JOIN submissions USING (place)"
    " WHERE status = 0 AND tenant = ? ORDER BY returned DESC, priority DESC, place LIMIT 1";

// The tenant has had its turn, or has nothing queued: to the end of the round, or out of it.
constexpr std::string_view kEndTurn = "DELETE FROM turns WHERE turn = ?";
// A tenant of which as many jobs run as may has no turn.
constexpr std::string_view kTakeTurns =
    "INSERT INTO turns (tenant) SELECT ?1 FROM"
    " (SELECT max_running FROM jobs WHERE status = 0 AND tenant = ?1"
    " ORDER BY returned DESC, priority DESC, place LIMIT 1)"
    " WHERE CASE WHEN max_running = 0 THEN 1 ELSE max_running >"
    " (SELECT COUNT(*) FROM jobs INDEXED BY jobs_running WHERE status = 1 AND tenant = ?1) END"
    " ON CONFLICT (tenant) DO NOTHING";
constexpr std::string_view kCountQueued =
    "SELECT COUNT(*) FROM (SELECT 1 FROM jobs WHERE status = 0 AND tenant = ? LIMIT ?)";
constexpr std::string_view kCountRunning =
    "SELECT COUNT(*) FROM (SELECT 1 FROM jobs INDEXED BY jobs_running WHERE status = 1 AND tenant "
    "= ? LIMIT ?)";
constexpr std::string_view kDropIdle =
    "DELETE FROM turns WHERE tenant = ?1 AND NOT EXISTS"
    " (SELECT 1 FROM jobs WHERE status = 0 AND tenant = ?1)";

// Records in the order of lists, before a time and id, since a time.
constexpr std::string_view kList =
    "SELECT id, status, created_at, started_at, finished_at, attempts, error, tenant, run,"
    " language, priority FROM jobs WHERE (created_at, id) < (?, ?) AND created_at >= ?"
    " ORDER BY created_at DESC, id DESC LIMIT ?";
// The same of those that run: they are few, and seldom the newest.
constexpr std::string_view kListRunning =
    "SELECT id, status, created_at, started_at, finished_at, attempts, error, tenant, run,"
    " language, priority FROM jobs INDEXED BY jobs_running"
    " WHERE status = 1 AND (created_at, id) < (?, ?) AND created_at >= ?"
    " ORDER BY created_at DESC, id DESC LIMIT ?";

}  // namespace store
