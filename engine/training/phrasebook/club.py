"""What people type for music of the club and of machines. See `engine.training.phrasebook` for the columns."""

from __future__ import annotations

from engine.training.phrasebook.table import Said

CLUB: dict[str, Said] = {
    "house": Said(
        names="""tech house; deep house; house music; progressive house; acid jazz house; soulful house; disco house;
            french house; filter house; nu disco; afro house; latin house; chicago house; ny garage; uk garage;
            speed garage; 2-step garage; classic house; lounge house; tropical house; future house; big room;
            funky house; jackin house; hause music; musica house; música house; deephouse; edm; four to the floor;
            4x4 beat; dance music; disco; nu-disco; balearic beat; house beat; club house; eurodance; vocal house
            instrumental; lo-fi house; tribal house; dancefloor music""",
        heard="""four-on-the-floor kick; kick drum on every beat; open hi-hats between the kicks; claps on two and
            four; m1 organ bass; korg organ stabs; bouncy piano chords; rave piano; filtered disco loop;
            sidechained pads; chopped soul sample; 909 drums; shuffled hi-hats; round sub bass that grooves; minor
            ninth chord stabs; string stabs from a disco record; congas over a straight kick; warm analog chords;
            steady 122 bpm kick and clap; bassline that plays off the beat; pumping compression; diva-like synth
            hook; chord memory stabs; crisp claps and shakers; a steady thump with rolling percussion; a looped
            string phrase from the seventies over a club kick; whirly organ riff over a kick; conga loop and clap;
            electric piano chords under a club beat; a saxophone riff for the dance floor; a pumped-up bass guitar
            over an electronic beat; snappy off-beat hats""",
        scenes="""a beach club; a rooftop at sunset; a summer dance party; a pool bar; a fashion show runway; a DJ
            warm-up set; a night at the disco; a gay club in the nineties; the Paradise Garage; a Mediterranean
            holiday island; a boat party; a cocktail bar with a DJ; a cardio workout; aerobics; shopping in a
            fancy boutique; Saturday night out; a club in Chicago; Manchester's Hacienda; South Africa at a party;
            a hotel pool in Ibiza; after work drinks with dancing; people dancing together happily; the main room
            of a club; a Paris dance club around 2000; a wedding disco after midnight; a silent disco; a roller
            skating afternoon in the park; the bar of a boutique hotel; a perfume advert; people queueing outside
            a nightclub; a sunny car ride to the beach club; a fitness app; a shopping mall on Saturday; hen
            night; a cruise ship's dance deck; opening of a sports car showroom; a drag show""",
        whole="""make people dance all night; a groovy beat to dance to, not too hard; uplifting club tune with a warm
            bass; I want everybody on the dance floor; something soulful and electronic that keeps a steady kick;
            happy dance music with piano; smooth club groove, not as dark as techno; a track a DJ would play at a
            beach party; electronic dance music with disco roots; funky electronic tune at around 125; let's
            party, straight kick, deep chords; music to dance to in a nightclub, warm and groovy; tanzmusik für
            den club; musique de club; música electrónica para bailar; party music; a feel-good dance track with
            claps; steady danceable beat with organ; dance; keep the crowd moving with a warm kick; a bit of
            gospel and a lot of kick drum; I'm hosting a pool party, bring the beat; glamorous and danceable; loop
            for DJs with piano; joyful repetitive dance groove; something like disco but made with machines;
            bright chords and a bumping kick; everybody put your hands up; turn the living room into a club;
            groovy, positive, electronic, made for dancing; electronic groove for people who smile when they dance""",
        hints="""turntables; a mirror ball; vogueing; glitter; a disco diva; clubbing; the warm-up DJ; a kick like a
            heartbeat; smooth grooving; four four; shuffling feet; pride parade; rooftop; sunglasses and dancing;
            daytime party; jacking bodies; a saxophone over a club beat; summer of love 1989; piano rave; cheerful
            ravers; organ house; a white-label twelve inch; filter sweep on a disco sample; a beat for catwalk
            models; yacht party; rhythm of the night; pumping; beach bar electronic with kick; champagne and
            dancing; an uplifting gospel club track; feet can't stop; deep and warm at 120; percussion, kick and a
            groovy bass; bouncy club bass; soulful keys over a steady kick; fitness class; lounge bar with a dance
            beat; dance until sunrise on the island; zumba without the latin; garage groove with skippy hats; a
            funky bassline and claps at 126""",
        abroad="""clubmusik; discothèque; salir de fiesta; música de discoteca; ballare tutta la notte; boîte de nuit;
            tanzbarer Beat mit Klavier; groove électronique chaleureux; fiesta en la piscina; sommerparty am
            strand; música dance alegre; klubbmusik; klasik house; muzyka klubowa; deep house relajado""",
    ),
    "techno": Said(
        names="""detroit techno; berlin techno; dub techno; hard techno; minimal; acid; industrial techno; techno
            music; peak time techno; melodic techno; hypnotic techno; raw techno; tekno; teckno; hardgroove; ebm;
            rave music; trance; hard trance; goa; psytrance; gabber; hardcore techno; big room techno; broken
            techno; machine music; industrial; electro; IDM-ish club music; birmingham techno; free tekno;
            underground electronic; tech no; technomusik; tekkno; musica techno; bleep techno; warehouse music;
            dark electronic""",
        heard="""a pounding kick; a distorted kick drum; rumbling low end; a 303 acid bassline; resonant filter sweeps;
            metallic percussion; industrial noises; modular bleeps; a one-note synth sequence; hypnotic loops;
            white-noise risers; clanging metal hits; off-beat hi-hats at 135 bpm; a drone under a hard kick; a
            stab with long dark reverb; tom loops; repetitive synth pattern; a sequencer that runs on and on;
            saturated drum machine; cold synth blips; sixteenth-note hats; machine-like precision; 140 bpm kick;
            dissonant synth hits; a thudding kick without any melody; clicks and hisses in sixteenths; a repeated
            siren tone; ring-modulated percussion; a motorik pulse made of noise; an overdriven drum machine; acid
            bass that squeals; a bass drum like a hammer; granular hits over straight kick; a filtered noise hat""",
        scenes="""an illegal rave; an abandoned factory; a basement with one red light; a fabric hall; a tunnel party; a
            dystopian city; a robot assembly line; five in the morning on the dance floor; a German club; a club
            in Tbilisi; a festival tent at night; a cyber thriller chase; a nuclear plant; a dark club with no
            windows; a laser show; an after party; a concrete hall; a Berlin night; Detroit in the eighties;
            Frankfurt club life; a hacker scene; dancing in the dark till dawn; a gas mask and fog machine; the
            love parade; a car factory at night; a subway tunnel; an underground car park with strobes; a
            submarine's engine room; a surveillance thriller; a cyborg awakening; a club where nobody talks; a
            night without end; a steel mill; an industrial museum; the machine room; a marathon dancer""",
        whole="""hard and dark, no melody; just a kick and a hypnotic sequence for eight minutes; something relentless
            for a dark room; repetitive, mechanical and cold; not house, harder and darker; minimal music for
            dancing, very repetitive; brutal electronic beat; faceless machine groove; pounding industrial beats
            for a rave; fast straight electronic kick with noise; ravers want it harder; dunkle elektronische
            Musik mit hartem Bass; musique électronique sombre et répétitive; punchy and monotonous; no vocals, no
            chords, only rhythm and noise; a trance-inducing loop of drum machines; music made by robots; stomping
            four-four with acid; rave; hard club music; something punishing and straight; let the machines run;
            nothing pretty, just drive; a pulse that swallows you; dark loops for a long night; austere and
            functional dance music; hammering drums and acid; loud, dry and repetitive; strip it down to kick and
            hats; I want to lose myself on a dark dance floor; fierce electronic drive with a distorted kick; a
            grey, cold, endless beat; no groove, just force; ravers in black""",
        hints="""a drum computer; sweat and concrete; oscillators; dark room; black clothes; a bouncer and a steel
            door; hard and straight; kick kick kick; pressure; tunnel vision; sirens in a factory; a metal press;
            conveyor belt; sequencers; dystopia; dancing robots; no breakdown, just drive; minimal clicks; endless
            loop; noise and kick; hypnosis on the dance floor; pulsing at 135; a train of machines; circuits;
            bleeps and bass; strobe-lit; stripped-down drum track; monotone; dub chords with a straight kick; raw
            hardware jam; modular synthesizer improvisation with a kick; bunker; underground; distorted 909; gas
            pipes; faster and harder four four; the sound of electricity; a reactor; synthetic; cold as steel; ten
            hours non-stop dancing""",
        abroad="""harter Beat; Technoparty; Stampfen; Maschinenmusik; rave sombre; boucle hypnotique; entrepôt
            désaffecté; fábrica abandonada; ritmo de máquinas; musica elettronica dura; ciężkie techno; bumm bumm
            bumm; kalter Maschinenbeat; techno duro y oscuro; bas lourde et kick""",
    ),
    "drum and bass": Said(
        names="""dnb; d&b; d'n'b; drum n bass; drumnbass; drum & bass; drum'n'bass; drum and base; liquid funk; jungle;
            ragga jungle; neurofunk; jump up; darkstep; breakcore; atmospheric jungle; intelligent drum and bass;
            liquid dnb; halftime dnb; breakbeat hardcore; uk hardcore breaks; drumfunk; sambass; drumstep; jungle
            techno; footwork-like breaks; fast breakbeat; 170 bpm music; dancefloor dnb; big beat; breaks; drill
            and bass; oldskool jungle; drum bass; deep dnb; minimal dnb""",
        heard="""amen breaks; chopped up breakbeats; a reese bass; sub bass at 174 bpm; a two-step drum pattern; rapid
            snare rolls; time-stretched drums; lush pads over fast drums; wobbling mid bass; rave stabs; ghost
            snares at high speed; rolling sub; a break that races; snares at 172 bpm; ragga samples; growling
            bass; fast hi-hats and a deep bass; drums twice as fast as the bass; breaks in double time; soaring
            strings over fast breaks; think break; liquid piano over rolling drums; a filthy bassline with rapid
            drums; cut-up funk drums sped up; sped-up funk drums with a heavy low end; a drum loop cut into
            pieces; a screeching mid-range bass; airy chords above racing drums; snares that never rest;
            fluttering hats and a rolling low end; a break chopped into sixteenths; a deep sine bass under quick
            drums; metallic bass stabs with fast drums; quick ghost notes and cymbals""",
        scenes="""a car chase at full throttle; a skateboard video; extreme sports; mountain biking downhill; a jungle
            rave in London; a Bristol club with massive speakers; a fast video game; a parkour clip; sprint
            intervals; a motorcycle race; a drone race; a snowboard film; mid nineties UK rave; a futuristic
            racing game; hardcore gaming montage; a run at 175 steps a minute; a sound system in Brixton; a
            high-speed train; a sports highlight reel; an anti-gravity race; PlayStation games of the nineties; an
            adrenaline rush; a ski race; an esports final; a getaway by motorbike; a downhill bike run; a jet
            fighter game; a parachute jump; a rave in a quarry in 1993; a wakeboard clip; a spinning sprint; a
            cyber race; rushing through the city by scooter; a speed run of a video game; a rally car video""",
        whole="""very fast electronic drums with heavy bass; super fast breakbeat, deep sub; it should race along at
            175; I need energy, broken beats and bass; rushing drums under dreamy chords; not four to the floor
            but fast broken drums; high energy breakbeats for sport; bass music for moshing ravers; rapid fire
            snares; fastest beat you have, with breaks; hectic electronic drums; british bass music, fast; musique
            très rapide avec breakbeats; schneller als Techno, mit gebrochenen Beats; batería rápida y bajo
            profundo; smooth and fast at once; ravers of the mid nineties jumping; fast rolling groove with sub;
            breakbeats at top speed; I can hardly follow the drums, that fast; a broken beat at break-neck pace
            with bass; twice as fast as hip hop; dreamy on top, frantic below; run for your life; heart rate 180;
            skipping drums and heavy bass for dancing; fast and liquid with soulful chords; the drums should roll
            and roll; high-speed beat with jazzy pads; bass that growls while the drums sprint; blistering
            electronic drumming; let's go faster, breakbeats; hyper but smooth""",
        hints="""rave horns; rewind selector; lighter in the air; break science; chopped drums; 180 bpm; a sprint; a
            rollercoaster; turbo; warp speed; nitro; hyperactive drums; speeding; snare rush; bass weight; sub
            pressure; wobble and break; rapid; a kickflip; bmx tricks; free running; an escape through alleys;
            drumming at light speed; speed boat; formula one; velocity; dark rollers; liquid and soulful but fast;
            a rewinding dubplate; double-time; twitchy breaks; skittering drums; a fast drum break with jazzy
            chords; heavy sub and fast snare; nineties PlayStation racer; gunfinger; steppy break; rinse;
            breakbeats that tumble over each other; a waterfall of snares; adrenaline""",
        abroad="""schnelle Trommeln, tiefer Bass; batterie très rapide; rápido y furioso con breaks; batteria
            velocissima; Verfolgungsjagd; bardzo szybki breakbeat; jungla electrónica; basse énorme et breaks;
            rennspiel; trommelbass; snelle breaks; música para correr muy rápido""",
    ),
    "synthwave": Said(
        names="""retrowave; outrun; darksynth; dreamwave; chillwave; vaporwave; italo disco; synthpop of the eighties;
            new wave; 80s pop; cyberpunk; 80s music; eighties electro; hi-nrg; futuresynth; spacewave; retro
            synth; sintwave; synth wave; synth-wave; electropop 80s; new romantic; 80s film score; giallo
            soundtrack; electro; berlin school; chiptune-like; 8-bit; retro electronic; cosmic disco; minimal
            wave; coldwave; darkwave; musica anni ottanta; 80er; años 80; eurodisco; john hughes movie music""",
        heard="""analog synthesizers; a juno pad; a dx7 bell; an octave bass that pulses; linn drum; simmons toms; a
            saw lead with portamento; arpeggiators; a moog bass in eighth notes; brass synth hits; chorus on
            everything; a key-tar solo; tape-saturated synths; neon pads; vocoder-like leads; a pulsing sixteenth
            bassline; oberheim chords; electronic tom fills; polysynth stabs; shimmering synth arpeggios; big
            eighties drums; prophet strings; a soaring synth melody; a throbbing synth bass in eighths; glassy
            digital bells; big reverb on an electronic snare; a heroic synth melody; stacked analog brass; warm
            polyphonic chords with chorus; a vintage sequencer line; pitch-bent lead; hexagonal drum pads; lush
            synth strings""",
        scenes="""a night drive on the highway; a DeLorean; an arcade hall; a neon-lit street; Miami at night; Tokyo in
            2049; a cyberpunk city; a spaceship cockpit; a teen horror film from 1984; a sci-fi series set in the
            eighties; a pink and purple sunset; a VHS tape; a police chase in a convertible; a training montage; a
            robot assassin film; an 80s workout tape; kids on BMX bikes and something strange in the woods; a
            laser grid; a retro video game; a roller disco in 1983; an empty mall at night; a hacker in a neon
            jacket; a sports car at dusk; an android dreaming; an old computer game's title screen; a movie about
            time travel with a car; a summer camp slasher; a detective in pastel suits; an aerobics show; a night
            ride past skyscrapers; a holographic dance hall; space truckers; an abandoned arcade; kids hunting a
            monster in the suburbs; a laser tag hall; cruising along the coast after dark; a retro sneaker advert""",
        whole="""sounds like the 1980s; take me back to the eighties; old synthesizers and nostalgia; retro futuristic;
            like the soundtrack of an old science fiction film; synths, drum machine and a long drive; 1984 all
            over again; electronic and nostalgic, with gated drums; neon lights and chrome; a theme for a retro
            game with arpeggios; cheesy eighties synth anthem; cassette-era electronic pop; glowing pads and
            driving bass; a cyber city in the rain, synths; wie in den Achtzigern; synthés rétro; sintetizadores
            retro; retro; the future as people imagined it in 1982; cool synth tune with sunglasses at night; give
            me glowing keyboards and a steady retro beat; as if recorded on a worn videotape; the decade of big
            hair; nostalgic synths for a late drive; robotic but romantic; a hero walks away from an explosion in
            1986; synthetic and shiny; pulsing keyboards for a cyber thriller; it should sound like pink light;
            old drum machine, dreamy chords; tape-warped keyboards of my childhood; vintage science fiction; the
            future of yesterday""",
        hints="""chrome; laser; cassette; vhs; floppy disk; joystick; aviator sunglasses; hair spray; shoulder pads; a
            lamborghini; palm trees at dusk; rollerblades; a walkman; a commodore; a synth hero; cyborgs; tron;
            grid lines; hologram; night city; boulevard; hot pink; a vice squad; mullets; laser disco; space
            invaders; a wireframe sun; moonlit highway; MTV in 1985; terminator mood; synth toms; analog brass;
            electric dreams; gated drums; drum machine ballad from the eighties; keytar; an eighties action hero;
            opening titles with arpeggio; prom night 1986; retro game boss; midnight drive; future city; glossy;
            slow-motion neon; eighties horror synth; glowing skyline; turbo nostalgia; a big chorus of
            synthesizers; eighties anthem; police synth chase""",
        abroad="""achtziger Jahre Synthesizer; années quatre-vingt; los ochenta; anni 80; nuit américaine au volant;
            conduciendo de noche; Nachtfahrt; rétro-futuriste; lata osiemdziesiąte; música de videojuego retro;
            klinkt als de jaren tachtig; synth-pop nostalgique; coche deportivo y neones""",
    ),
    "downtempo": Said(
        names="""trip hop; trip-hop; triphop; chillout; chill out; lounge; electronica; downbeat; down tempo; nu jazz;
            acid jazz; illbient; abstract beats; leftfield; slow electronica; dub electronica; bristol sound; mo
            wax; ninja tune sound; chill electronic; lounge music; noir beats; dark jazz; slow breakbeat; organic
            downtempo; ethno lounge; psychill; psydub; chill; slowtempo; buddha bar; café del mar style; smoky
            beats; cinematic beats; musique lounge; musica lounge; late-night electronica; ambient dub""",
        heard="""slow breakbeats; a dubby bassline; tremolo guitar; a detuned piano over slow drums; moody strings and
            a heavy beat; theremin; vinyl noise and bass; reverberating spy guitar; muted trumpet over electronic
            beats; a dragging drum loop at 85 bpm; a crackling loop; eerie organ; scratchy samples; rhodes through
            a delay; a sitar over slow beats; sparse broken drums; deep bass and whispered voice pads; smoky
            vibraphone; lazy breaks; half-speed breakbeat; wah-wah rhodes and dub echo; hollow snare with long
            reverb; noir strings; slow, heavy kick and bass; slow drums with a crackly string loop; a rubbery bass
            under hazy keys; twangy guitar in a big space over a slow beat; brushed breakbeat; a breathy flute and
            a slow electronic beat; sampled orchestra, slowed, with drums; murky electric piano; a bowed saw over
            beats; filtered horns and a slow groove""",
        scenes="""a film noir set in the present; a detective at night; a hotel bar at three in the morning; a slow
            motion fight; a spy waiting in a cafe; the comedown after a club night; a long taxi ride in the rain;
            a cocktail lounge; an art gallery; a spa with a beat; a heist being planned; the opening titles of a
            crime series; a shady casino; a foggy harbour; a yacht at dusk; smoking on a balcony; an underground
            car park; a mysterious woman; a sleepless night in the city; the morning after; a designer hotel
            lobby; British crime drama; an absinthe bar; a con man at the bar; an interrogation room; a boat on a
            dark canal; a late train home; a hotel corridor; a jewel thief; the back of a limousine; a yoga
            studio's after-hours bar; a tearoom in Marrakech; a chill-out tent at a festival; a cop who cannot
            sleep; a rooftop bar in winter; a slow ride through red-light streets""",
        whole="""slow, dark and electronic with a beat; moody groove, mysterious and sensual; heavy slow beat with
            strings, melancholy; electronic but relaxed, with broken beats; like a spy film at half speed; chilled
            beats, a bit sinister; not hip hop, more cinematic and electronic; slow and smoky; a brooding beat
            with bass; sleepy breakbeats with dub effects; relaxed electronic music for a bar; noir; late at
            night, slow beat, deep bass; sexy slow electronic groove; ruhige elektronische Musik zum Entspannen
            mit Beat; musique électronique lente et sombre; música electrónica lenta para relajarse; lounging on
            the couch; low tempo electronic; hazy paranoid groove; lazy, dark and seductive; electronic beats for
            a rainy night; heavy-lidded groove; a slow beat with a sense of danger; cool, understated electronics
            for grown-ups; sad strings over a slow break; a beat for smoking and thinking; mysterious loungey
            electronics; something between jazz and electronics, slow; relaxed but brooding; a hazy groove with
            dub echoes; easy tempo, deep bass, film noir; comedown music; soft electronics with a slow backbeat""",
        hints="""smoke; velvet and smoke; whisky; insomnia; dim light; a slow pulse; hazy; murky; shadows; an alley
            after rain; slinky; narcotic; paranoia; a stakeout; cigarette glow; half asleep; a beat that crawls;
            sultry; dusk; undercover; noir jazz with beats; cool and mysterious; slow seduction; tape delay; dark
            lounge; drowsy breakbeat; low slung; electronic blues; a moody title sequence; the city at 4 am; dub
            and strings; late bar; slow motion city lights; unhurried electronic groove; a spy's apartment; sitar
            chill; eastern chillout; red wine and electronics; a lonely trumpet over beats; a heavy drum loop and
            a sad string sample; melancholy beats; chill electronics with live bass; elegant chillout; trippy;
            bass, brushes and electronics; a night train""",
        abroad="""chillige Elektronik; musique de lounge sombre; para relajarse de noche; film noir moderne; ambiance
            feutrée; nachts in der Bar; langsame Beats; ritmo lento y misterioso; musica lenta e notturna; wolny
            mroczny beat; salon de hôtel, tard; ville la nuit; lounge electrónico; beats lents; rauchige Bar""",
    ),
}  # fmt: skip
