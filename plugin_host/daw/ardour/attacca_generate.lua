ardour { ["type"] = "EditorAction", name = "Attacca: new bars here", license = "Apache-2.0", author = "Attacca",
	description = "Asks Attacca for new bars from a prompt, and puts them on the selected track from the play head's next bar on." }

function factory() return function()
	local path = ARDOUR.LuaAPI.build_filename(ARDOUR.user_config_directory(-1), "scripts", "attacca.lua")
	local file = assert(io.open(path), "copy attacca.lua to " .. path)
	local attacca = assert(load(file:read("a"), "attacca.lua"))()
	file:close()
	attacca.in_window("Attacca: new bars here", function(options, place)
		local track
		for route in Editor:get_selection().tracks:routelist():iter() do
			if not track and not route:to_track():isnil() then track = route:to_track() end
		end
		if not track then error("select the audio track that the bars go to", 0) end
		return attacca.generate(Session, attacca.bar_from(Session:transport_sample()), options, place(track))
	end)
end end
