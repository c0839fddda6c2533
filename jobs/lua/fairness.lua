-- Fair shares: of the owners (API keys) of what waits in a queue, the next turn is that of the one of whom the fewest
-- images were taken. Whoever comes, or comes back, begins where the last turn was: time without requests is no credit.
--
-- LANES .. queue   orders rq's list by owner and then by age, a member is owner:created_at:id. It is an index: if it has
--                  not as many members as the list, since rq itself has put back or removed a job, it is made anew.
-- TURNS .. queue   the owners by what they have had at least; raised to what they have had when their turn comes.
-- shares           hash, for the queues of one priority and pool: images taken by owner, and `turn`, what the owner of
--                  the last turn had had before it.

local SHARES_S = 7 * 24 * 3600

local function owner_of(member) return string.match(member, '^[^:]*') end
local function id_of(member) return string.sub(member, #owner_of(member) + 30) end
local function lane_member(owner, created_at, id)
    return string.format('%s:%-27.27s:%s', owner or '', created_at or '', id)
end

local function wait_in_lane(name, shares, owner, created_at, id)
    redis.call('ZADD', LANES .. name, 0, lane_member(owner, created_at, id))
    redis.call('ZADD', TURNS .. name, 'NX', redis.call('HGET', shares, 'turn') or 0, owner or '')
end

local function make_lanes(queue, name, shares)
    redis.call('DEL', LANES .. name, TURNS .. name)
    for _, id in ipairs(redis.call('LRANGE', queue, 0, -1)) do
        local known = redis.call('HMGET', JOB .. id, 'owner', 'created_at')
        wait_in_lane(name, shares, known[1], known[2], id)
    end
end

local function mend_lanes(queue, name, shares)
    if redis.call('ZCARD', LANES .. name) ~= redis.call('LLEN', queue) then make_lanes(queue, name, shares) end
end

local function whose_turn(queue, name, shares)
    while redis.call('EXISTS', queue) == 1 do
        local first = redis.call('ZRANGE', TURNS .. name, 0, 0, 'WITHSCORES')
        local owner, least = first[1], tonumber(first[2])
        if not owner then
            make_lanes(queue, name, shares)
        else
            local had = tonumber(redis.call('HGET', shares, owner) or 0)
            local lane = {'[' .. owner .. ':', '(' .. owner .. ';'}
            local member = redis.call('ZRANGEBYLEX', LANES .. name, lane[1], lane[2], 'LIMIT', 0, 1)[1]
            if not member then
                redis.call('ZREM', TURNS .. name, owner)
            elseif had > least then
                redis.call('ZADD', TURNS .. name, had, owner)
            else
                return owner, least, member
            end
        end
    end
end

-- The owners whose turns come next, as many as may have one and some more, with what each has had.
local function waiting_owners(queue, name, shares, turns)
    local found = {}
    if not whose_turn(queue, name, shares) then return found end
    local scores, owners = redis.call('ZRANGE', TURNS .. name, 0, turns + 15, 'WITHSCORES'), {}
    for at = 1, #scores, 2 do owners[#owners + 1] = scores[at] end
    local had = redis.call('HMGET', shares, unpack(owners))
    for at, owner in ipairs(owners) do
        found[at] = {owner = owner, had = math.max(tonumber(scores[2 * at]), tonumber(had[at] or 0))}
    end
    return found
end

local function first_of(owners)
    local first
    for _, each in ipairs(owners) do
        if not each.empty and (not first or each.had < first.had) then first = each end
    end
    return first
end

local function next_in_lane(name, owner, most)
    if not owner.lane then
        local lane = {'[' .. owner.owner .. ':', '(' .. owner.owner .. ';'}
        owner.lane, owner.at = redis.call('ZRANGEBYLEX', LANES .. name, lane[1], lane[2], 'LIMIT', 0, most), 0
    end
    owner.at = owner.at + 1
    owner.empty = not owner.lane[owner.at]
    return owner.lane[owner.at]
end

local function take_turns(shares, owners)
    local turn, served = tonumber(redis.call('HGET', shares, 'turn') or 0), {}
    for _, each in ipairs(owners) do
        if each.started then
            turn = math.max(turn, each.started)
            served[#served + 1] = each.owner
            served[#served + 1] = each.had
        end
    end
    redis.call('HSET', shares, 'turn', turn, unpack(served))
    redis.call('EXPIRE', shares, SHARES_S)
end

local function leave_lane(queue, name, ...)
    redis.call('ZREM', LANES .. name, ...)
    if redis.call('EXISTS', queue) == 0 then redis.call('DEL', LANES .. name, TURNS .. name) end
end
