-- KEYS: rq's set of queues, then queue lists, best first.
-- ARGV: worker, a name for the executions, now as rq writes it, now in s, ttl of a heartbeat, since when a job is
-- overdue (as rq writes it), how many queues there were when the lists were chosen among them, '1' if the priority goes
-- first whose queues have what has waited longest, then for each list its rank (those of one rank stand together), how
-- many images may be taken, '1' if its model is in memory, and its shares.
-- Takes from a queue of the first rank that has jobs, and begins what it takes as rq would: with an execution that must
-- be kept alive. Among queues of one rank, those in memory and those that have waited too long stand for election: it is
-- the one whose owner has had least, and among queues of one owner, the one that has waited longest if that is too long,
-- else the first. Within a queue owners take turns, and no request goes along with another owner's that does not fit
-- beside it. It takes no more jobs than an equal part of all that wait or run there, among the workers of the queue that
-- are free or busy with it: else one might hold everything while the others have nothing. Answers the list's place among
-- them, then id, hash and cancel flag of each job; or 'stale', if there are other queues by now.
--! fairness

local worker, execution, now, seconds, ttl, overdue, known, oldest_first = unpack(ARGV)
if redis.call('SCARD', KEYS[1]) ~= tonumber(known) then return 'stale' end
if #KEYS == 1 then return false end
local left = redis.call('EXISTS', unpack(KEYS, 2))
if left == 0 then return false end

local waiting, rank = {}, nil
for place = 1, #KEYS - 1 do
    local at = 8 + 4 * (place - 1)
    if left == 0 or (oldest_first ~= '1' and rank and rank ~= ARGV[at + 1]) then break end
    local head = redis.call('LINDEX', KEYS[place + 1], 0)
    if head then
        left = left - 1
        rank = rank or ARGV[at + 1]
        waiting[#waiting + 1] = {
            place = place, queue = KEYS[place + 1], name = string.sub(KEYS[place + 1], #QUEUE + 1),
            since = redis.call('HGET', JOB .. head, 'enqueued_at') or '',
            rank = ARGV[at + 1], room = tonumber(ARGV[at + 2]), warm = ARGV[at + 3] == '1', shares = ARGV[at + 4],
        }
    end
end
if oldest_first == '1' then
    local oldest = waiting[1]
    for _, each in ipairs(waiting) do
        if each.since < overdue and each.since < oldest.since then oldest = each end
    end
    rank = oldest.rank
end
local candidates, standing = {}, {}
for _, each in ipairs(waiting) do
    if each.rank == rank then
        candidates[#candidates + 1] = each
        if each.warm or each.since < overdue then standing[#standing + 1] = each end
    end
end
if #standing > 0 then candidates = standing end
local chosen = candidates[1]
for number, each in ipairs(candidates) do
    mend_lanes(each.queue, each.name, each.shares)
    if #candidates > 1 then
        local owner, had = whose_turn(each.queue, each.name, each.shares)
        each.owner, each.had = owner, had - tonumber(redis.call('HGET', each.shares, 'turn') or 0)
        if number > 1 then
            local waited_longer = each.since < overdue and each.since < chosen.since
            if owner == chosen.owner or each.had == chosen.had then
                if waited_longer then chosen = each end
            elseif each.had < chosen.had then
                chosen = each
            end
        end
    end
end

local queue, name, shares, room = chosen.queue, chosen.name, chosen.shares, chosen.room
local me, begun = WORKER .. worker, {chosen.place}
local registry, running = STARTED .. name, me .. WORKER_EXECUTIONS
local able = 1
for _, other in ipairs(redis.call('SMEMBERS', WORKERS .. name)) do
    if other ~= me then
        local free = redis.call('EXISTS', other .. WORKER_EXECUTIONS) == 0
        if free or redis.call('HGET', other, 'batch_queue') == name then able = able + 1 end
    end
end
local share = math.ceil((redis.call('LLEN', queue) + redis.call('ZCARD', registry)) / able)
local registered, owned = {}, {}

local function begin(id, fields)
    local job, own = JOB .. id, id .. ':' .. execution
    redis.call('HSET', EXECUTION .. own, 'id', execution, 'job_id', id, 'created_at', seconds,
        'last_heartbeat', seconds, 'worker_name', worker)
    redis.call('EXPIRE', EXECUTION .. own, ttl)
    redis.call('ZADD', EXECUTIONS .. id, seconds + ttl + 60, execution)
    redis.call('EXPIRE', EXECUTIONS .. id, ttl + 60)
    registered[#registered + 1] = seconds + ttl
    registered[#registered + 1] = own
    owned[#owned + 1] = own
    local set = {'status', 'started', 'started_at', now, 'last_heartbeat', now, 'worker_name', worker}
    redis.call('HSET', job, unpack(set))
    redis.call('PERSIST', job)
    for _, part in ipairs(set) do fields[#fields + 1] = part end
    begun[#begun + 1] = id
    begun[#begun + 1] = fields
    begun[#begun + 1] = redis.call('EXISTS', CANCEL .. id)
end

local function facts(fields)
    local owner, created_at, images
    for place = 1, #fields, 2 do
        local name = fields[place]
        if name == 'images' then images = tonumber(fields[place + 1])
        elseif name == 'owner' then owner = fields[place + 1]
        elseif name == 'created_at' then created_at = fields[place + 1] end
    end
    return images or 1, owner, created_at
end

local jobs = math.min(room, share)
if redis.call('ZCARD', TURNS .. name) == 1 then
    local owner, had = whose_turn(queue, name, shares)
    local members, images = {}, 0
    for _, id in ipairs(redis.call('LRANGE', queue, 0, jobs - 1)) do
        if images >= room then break end
        local fields = redis.call('HGETALL', JOB .. id)
        local own, owned_by, created_at = facts(fields)
        members[#members + 1] = lane_member(owned_by, created_at, id)
        if #fields > 0 then
            images = images + own
            begin(id, fields)
        end
    end
    redis.call('LTRIM', queue, #members, -1)
    take_turns(shares, {{owner = owner, started = had, had = had + images}})
    leave_lane(queue, name, unpack(members))
else
    local owners, members, only = waiting_owners(queue, name, shares, jobs), {}, nil
    while jobs > 0 and room > 0 do
        local next = first_of(owners)
        local member = next and next_in_lane(name, next, jobs)
        if not next then break end
        if member then
            local id = id_of(member)
            local fields = redis.call('HGETALL', JOB .. id)
            local images = facts(fields)
            if #owned > 0 and next.owner ~= only and images > room then break end
            members[#members + 1] = member
            if redis.call('LREM', queue, 1, id) == 1 and #fields > 0 then
                only = (#owned == 0 or next.owner == only) and next.owner
                jobs, room = jobs - 1, room - images
                next.started, next.had = next.had, next.had + images
                begin(id, fields)
            end
        end
    end
    take_turns(shares, owners)
    if #members > 0 then leave_lane(queue, name, unpack(members)) end
end
if #owned > 0 then
    redis.call('ZADD', registry, unpack(registered))
    redis.call('SADD', running, unpack(owned))
    redis.call('EXPIRE', running, ttl + 60)
end
redis.call('HSET', me, 'state', 'busy', 'batch_queue', name)
return begun
