-- The same without a window: `ardour7-lua headless.lua SESSION-FOLDER NAME TRACK continue|generate BAR BARS [PROMPT] [SEED]`.
-- BAR: continue the region that sounds at this bar, or generate at this bar (counted from 1). Saves the session.
-- Without a window Ardour's Lua imports nothing; so a region of silence is bounced, whose files get the new samples.
local H = {}
local here = (debug.getinfo(1, "S").source:match("^@(.*)headless%.lua$")) or "./"
local attacca = dofile(here .. "attacca.lua")

-- The bytes of channel c (from 0) of interleaved float samples; of several channels in one, their mean.
local function channel(data, channels, c, wanted)
	local parts = {}
	for at = 1, #data, 4 * channels do
		if wanted == 1 and channels > 1 then
			local sum = 0
			for k = 0, channels - 1 do sum = sum + string.unpack("<f", data, at + 4 * k) end
			parts[#parts + 1] = string.pack("<f", sum / channels)
		else
			local k = at + 4 * (c % channels)
			parts[#parts + 1] = data:sub(k, k + 3)
		end
	end
	return table.concat(parts)
end

local function fill(path, samples)
	local file = assert(io.open(path, "r+b"))
	local first, bytes = attacca.wav_data(file)
	if bytes ~= #samples then error("the region's file has another length than the new bars", 0) end
	file:seek("set", first)
	file:write(samples)
	file:close()
end

-- Puts a float WAV onto a track as a region of its own, at a sample. The files are
-- dated later than their waveform pictures, so that Ardour draws those anew at the next start.
function H.place(session, track, name)
	return function(path, sample, frames)
		local region = track:bounce_range(sample, sample + frames, ARDOUR.InterThreadInfo(), ARDOUR.LuaAPI.nil_proc(), false, name)
		if region:isnil() then error("Ardour makes no region of " .. frames .. " frames", 0) end
		local file = assert(io.open(path, "rb"))
		local first, bytes, channels = attacca.wav_data(file)
		file:seek("set", first)
		local data = file:read(bytes)
		file:close()
		local count = region:to_audioregion():n_channels()
		for c = 0, count - 1 do
			local target = region:source(c):to_filesource():path()
			fill(target, channel(data, channels, c, count))
			os.execute("touch -d '+20 seconds' '" .. target:gsub("'", "'\\''") .. "'")
		end
		local playlist = track:playlist()
		session:begin_reversible_command("Attacca")
		playlist:to_stateful():clear_changes()
		local audio = region:to_audioregion()
		audio:set_fade_in_active(false)
		audio:set_fade_out_active(false)
		playlist:add_region(region, Temporal.timepos_t(sample), 1, false, 0, 0, false)
		session:add_stateful_diff_command(playlist:to_statefuldestructible())
		session:commit_reversible_command(nil)
	end
end

-- What the command line above says. Returns what attacca.lua's actions return.
function H.run(session, words)
	local track = session:route_by_name(words.track):to_track()
	if track:isnil() then error("no audio track is called " .. words.track, 0) end
	local options = { bars = words.bars, prompt = words.prompt, seed = words.seed or -1 }
	local place = H.place(session, track, "attacca-bar" .. words.bar)
	if words.action == "generate" then return attacca.generate(session, words.bar, options, place) end
	local region = track:playlist():top_region_at(Temporal.timepos_t(attacca.bar_sample(words.bar)))
	if region:isnil() then error("no region of " .. words.track .. " sounds at bar " .. words.bar, 0) end
	return attacca.continue(session, region, options, place)
end

if arg and arg[1] and arg[6] then
	local session = load_session(arg[1], arg[2])
	assert(session, "Ardour cannot load " .. arg[1])
	local words = { track = arg[3], action = arg[4], bar = math.tointeger(arg[5]), bars = math.tointeger(arg[6]) }
	words.prompt, words.seed = arg[7], math.tointeger(arg[8] or "-1")
	local good, made = pcall(H.run, session, words)
	if good then
		session:save_state("")
		print(string.format("made first=%d frames=%d seed=%d off=%d", made.first, made.frames, made.seed, made.off))
	else
		print("failed " .. tostring(made))
	end
	session = nil
	collectgarbage()
	close_session()
	os.exit(good and 0 or 2)
end

H.attacca = attacca
return H
